/* SPDX-License-Identifier: MIT */
/*
 * The cross-hair: shows the values at the pointer, or at the position of the arrow keys. It reads
 * them from the tables of the page. Everything else on the page works without this script.
 *
 * A chart names its tables (data-tables). Each row has its position on the axis (data-x, in
 * thousandths). Drawn columns are marked in the head (data-drawn); without marks, all are drawn.
 */
"use strict";

(() => {
	const readout = document.getElementById("readout");
	const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
	cross.setAttribute("class", "cross");
	cross.setAttribute("y2", "100%");

	const isShown = (element) => element.getClientRects().length > 0;
	const placeOf = (row) => Number(row.dataset.x) / 1000;

	/* Returns the tables of a chart, except those of runs hidden by the legend. */
	const tablesOf = (chart) =>
		chart.dataset.tables
			.split(" ")
			.map((id) => document.getElementById(id))
			.filter((table) => {
				const box = table && table.closest("details");
				return table && (!box || isShown(box));
			});

	const rowsOf = (table) => [...table.querySelectorAll("tbody tr[data-x]")];

	const nearest = (rows, place) =>
		rows.reduce((best, row) =>
			Math.abs(placeOf(row) - place) < Math.abs(placeOf(best) - place) ? row : best);

	const nameOf = (run) => {
		const name = document.getElementById("name-" + run);
		return name ? name.textContent : "";
	};

	const runOf = (cell) => (cell.getAttribute("class") || "").replace(/^.*run-(\d+).*$/, "$1");

	const isHidden = (cell) => {
		const run = document.getElementById("show-" + runOf(cell));
		const kind = document.getElementById("show-" + cell.classList[1]);
		return (run && !run.checked) || (kind && !kind.checked);
	};

	const line = (table, name, value) => {
		const row = table.insertRow();
		const head = document.createElement("th");
		head.textContent = name;
		row.append(head);
		row.insertCell().textContent = value;
	};

	/* Shows a row as a table with one line per column. */
	const describe = (table, row) => {
		const part = document.createElement("table");
		const heads = [...table.querySelectorAll("thead tr:last-child th")];
		const areAllDrawn = !heads.some((head) => "drawn" in head.dataset);
		const run = table.dataset.run ? nameOf(table.dataset.run) : "";
		part.createCaption().textContent = [run, row.cells[0].textContent].join(" ").trim();
		heads.slice(1).forEach((head, i) => {
			const cell = row.cells[i + 1];
			if (cell.textContent === "" || isHidden(head))
				return;
			if (areAllDrawn)
				line(part, head.textContent, cell.textContent);
			else if ("drawn" in head.dataset)
				line(part, nameOf(runOf(head)) + " " + head.textContent, cell.textContent);
		});
		return part;
	};

	const show = (chart, svg, place) => {
		const tables = tablesOf(chart).filter((table) => rowsOf(table).length > 0);
		if (tables.length === 0)
			return hide();
		const found = tables.map((table) => nearest(rowsOf(table), place));
		const at = placeOf(found[0]);
		cross.setAttribute("x1", 100 * at + "%");
		cross.setAttribute("x2", 100 * at + "%");
		svg.append(cross);
		readout.replaceChildren(...tables.map((table, i) => describe(table, found[i])));
		readout.hidden = false;
		const box = svg.getBoundingClientRect();
		const x = box.left + at * box.width;
		const left = at < 0.5 ? x + 14 : x - 14 - readout.offsetWidth;
		const most = document.documentElement.clientWidth - readout.offsetWidth - 4;
		readout.style.left = Math.max(4, Math.min(left, most)) + "px";
		readout.style.top = box.top + window.scrollY + 8 + "px";
	};

	const hide = () => {
		readout.hidden = true;
		cross.remove();
	};

	/* Moves the cross to the next row of the first table. */
	const step = (chart, svg, direction) => {
		const tables = tablesOf(chart);
		if (tables.length === 0)
			return;
		const rows = rowsOf(tables[0]);
		const at = cross.parentNode === svg ? parseFloat(cross.getAttribute("x1")) / 100 : -1;
		const next = rows.indexOf(nearest(rows, at)) + (at < 0 ? 0 : direction);
		show(chart, svg, placeOf(rows[Math.max(0, Math.min(next, rows.length - 1))]));
	};

	for (const chart of document.querySelectorAll("figure.chart")) {
		const svg = chart.querySelector(".plot > svg");
		const follow = (event) => {
			const box = svg.getBoundingClientRect();
			show(chart, svg, (event.clientX - box.left) / box.width);
		};
		svg.tabIndex = 0;
		svg.addEventListener("pointermove", follow);
		svg.addEventListener("pointerdown", follow);
		svg.addEventListener("pointerleave", hide);
		svg.addEventListener("blur", hide);
		svg.addEventListener("keydown", (event) => {
			if (event.key === "Escape")
				return hide();
			if (event.key !== "ArrowLeft" && event.key !== "ArrowRight")
				return;
			event.preventDefault();
			step(chart, svg, event.key === "ArrowLeft" ? -1 : 1);
		});
	}
})();
