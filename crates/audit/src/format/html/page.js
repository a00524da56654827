"use strict";
document.documentElement.classList.add("js");

const table = document.getElementById("table");
const body = table.tBodies[0];
const rows = Array.from(body.rows);
const search = document.getElementById("search");
const recommendation = document.getElementById("recommendation");
const namespace = document.getElementById("namespace");
const shown = document.getElementById("shown");
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const isShown =
      (!recommendation.value || row.dataset.recommendation === recommendation.value) &&
      (!namespace.value || row.dataset.namespace === namespace.value) &&
      words.every((word) => texts.get(row).includes(word));
    row.hidden = !isShown;
    count += isShown ? 1 : 0;
  }
  shown.textContent = `${count} of ${rows.length} rows`;
}

function sort(column, header) {
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const keys = new Map(rows.map((row) => [row, key(row)]));
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  rows.sort((one, other) => direction * compare(keys.get(one), keys.get(other)));
  body.append(...rows);
}

Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
  header.querySelector("button").addEventListener("click", () => sort(column, header));
});
for (const field of [search, recommendation, namespace]) field.addEventListener("input", filter);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filters").addEventListener("reset", () => setTimeout(filter));

// A link to an account opens its section.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus();
  }
}
addEventListener("hashchange", open);
open();

// Paper has no triangles to click.
const opened = [];
addEventListener("beforeprint", () => {
  const closed = Array.from(document.querySelectorAll("details:not([open])"));
  for (const details of closed) details.open = true;
  opened.push(...closed);
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});
filter();
