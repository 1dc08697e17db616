/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

uint64_t fuzz_number(struct fuzz_input *input)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | fuzz_byte(input);
	return number >> fuzz_byte(input) % 64;
}

char *fuzz_string(struct fuzz_input *input)
{
	size_t n = strnlen((const char *)input->at, input->left);
	char *string = malloc(n + 1);
	assert(string != NULL);
	memcpy(string, input->at, n);
	string[n] = '\0';
	size_t used = n < input->left ? n + 1 : n;
	input->at += used;
	input->left -= used;
	return string;
}
