// The page's own behaviour: colours, filters, sorted tables, lines to copy. Runs before the others.
// Whatever comes from data is read from attributes and written as text, never as HTML.
"use strict";

const KINDS = ["dataset", "model", "method", "label"];

window.stepaudit = { filter: Object.fromEntries(KINDS.map((kind) => [kind, null])) };

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Colours

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function nameTheme(button) {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
}

function switchTheme(button) {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("stepaudit-theme", theme);
  } catch {
    // not remembered, no harm
  }
  nameTheme(button);
  document.dispatchEvent(new CustomEvent("stepaudit:theme", { detail: theme }));
}

// Filters: `data-filter-model="x"` sets or clears one, a `.filterable` that says otherwise is hidden.

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

function matches(element, filter) {
  return KINDS.every((kind) => {
    const own = [element.dataset[kind], element.dataset[camel(`other-${kind}`)]].filter((value) => value !== undefined);
    return filter[kind] === null || own.length === 0 || own.includes(filter[kind]);
  });
}

function setFilter(kind, value) {
  window.stepaudit.filter = { ...window.stepaudit.filter, [kind]: value };
  applyFilter();
}

function clearFilters() {
  window.stepaudit.filter = Object.fromEntries(KINDS.map((kind) => [kind, null]));
  applyFilter();
}

function applyFilter() {
  const filter = window.stepaudit.filter;
  for (const element of all(".filterable")) element.hidden = !matches(element, filter);
  for (const table of all("table.data")) countRows(table);
  for (const kind of KINDS) {
    for (const button of all(`[data-filter-${kind}]`)) {
      button.setAttribute("aria-pressed", String(button.dataset[camel(`filter-${kind}`)] === filter[kind]));
    }
    for (const select of all(`select[data-kind="${kind}"]`)) select.value = filter[kind] ?? "";
  }
  tellFilter(filter);
  document.dispatchEvent(new CustomEvent("stepaudit:filter", { detail: filter }));
}

function countRows(table) {
  const rows = [...table.tBodies[0].rows];
  const left = rows.filter((row) => !row.hidden).length;
  const note = table.closest(".scroll").nextElementSibling;
  if (!note?.classList.contains("matching")) return;
  note.hidden = left === rows.length;
  note.textContent = left ? `${left} of ${rows.length} rows match the filter.` : "No row of this table matches the filter.";
}

function tellFilter(filter) {
  const active = KINDS.filter((kind) => filter[kind] !== null);
  const names = { dataset: "data set", model: "model", method: "method", label: "class" };
  const state = document.getElementById("filter-state");
  state.textContent = active.length
    ? `Only ${active.map((kind) => `${names[kind]} ${filter[kind]}`).join(", ")}`
    : "No filter is set; a click on a name in a table sets one.";
  document.getElementById("filters").classList.toggle("active", active.length > 0);
  document.getElementById("clear-filters").hidden = active.length === 0;
}

function clickedFilter(target) {
  for (const kind of KINDS) {
    const button = target.closest(`[data-filter-${kind}]`);
    if (!button) continue;
    const value = button.dataset[camel(`filter-${kind}`)];
    setFilter(kind, window.stepaudit.filter[kind] === value ? null : value);
    return true;
  }
  return false;
}

// Sorted tables: up, down, as it was. Numbers by their raw value, what is missing last.

const compareTexts = new Intl.Collator("en", { numeric: true }).compare;

function sortable(row, column) {
  const cell = row.cells[column];
  const numeric = cell.classList.contains("number");
  const value = numeric ? Number.parseFloat(cell.dataset.value ?? "") : cell.textContent.trim();
  return { missing: numeric ? Number.isNaN(value) : value === "", value };
}

function compare(one, other, sign) {
  if (one.missing || other.missing) return one.missing - other.missing;
  return sign * (typeof one.value === "number" ? one.value - other.value : compareTexts(one.value, other.value));
}

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const rows = [...body.rows];
  rows.forEach((row, index) => (row.dataset.place ??= index));
  const next = { ascending: "descending", descending: null }[header.getAttribute("aria-sort")];
  const order = next === undefined ? "ascending" : next;
  for (const other of all("th[aria-sort]", header.closest("tr"))) other.removeAttribute("aria-sort");
  if (order) header.setAttribute("aria-sort", order);
  header.closest("table").classList.toggle("sorted", order !== null);
  const sign = order === "descending" ? -1 : 1;
  const column = header.cellIndex;
  const keyed = rows.map((row) => ({ row, place: Number(row.dataset.place), key: order && sortable(row, column) }));
  keyed.sort((a, b) => (order && compare(a.key, b.key, sign)) || a.place - b.place);
  body.append(...keyed.map((each) => each.row));
}

// Lines to copy

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

// Which chapter is read

function followChapters() {
  const places = all("#contents a")
    .map((link) => ({ link, target: document.getElementById(link.hash.slice(1)) }))
    .filter((place) => place.target);
  let current = null;
  let waiting = false;
  const follow = () => {
    waiting = false;
    const above = places.filter((place) => place.target.getBoundingClientRect().top < innerHeight * 0.3);
    const next = (above.at(-1) ?? places[0]).link;
    if (next === current) return;
    current?.removeAttribute("aria-current");
    current = next;
    current.setAttribute("aria-current", "true");
    const side = document.getElementById("contents");
    const top = current.offsetTop - side.clientHeight / 2;
    if (side.scrollHeight > side.clientHeight) side.scrollTo({ top, behavior: "instant" });
  };
  const soon = () => {
    if (!waiting) requestAnimationFrame(follow);
    waiting = true;
  };
  addEventListener("scroll", soon, { passive: true });
  follow();
}

document.addEventListener("click", (event) => {
  const target = event.target;
  if (clickedFilter(target)) return;
  if (target.closest("#clear-filters")) clearFilters();
  else if (target.closest("#theme")) switchTheme(target.closest("#theme"));
  else if (target.closest("button.copy")) copy(target.closest("button.copy"));
  else if (target.closest("button.sort")) sortBy(target.closest("th"));
});

for (const select of all("select[data-kind]")) {
  select.addEventListener("change", () => setFilter(select.dataset.kind, select.value || null));
}
nameTheme(document.getElementById("theme"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => nameTheme(document.getElementById("theme")));
followChapters();
