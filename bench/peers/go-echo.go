// SPDX-License-Identifier: MIT

// The usual echo server in Go: a goroutine for each connection, io.Copy from it to itself. Go sets
// TCP_NODELAY by itself, and io.Copy between two TCP sockets goes through splice(2): a connection has a
// pipe of its own then, and so three descriptors.
//
// usage: go-echo ADDRESS PORT
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func serve(conn net.Conn) {
	defer conn.Close()
	io.Copy(conn, conn)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-echo ADDRESS PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			continue // again and again, where descriptors have run out
		}
		go serve(conn)
	}
}
