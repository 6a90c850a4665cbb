// The list of test clips: which are shown follows the page's filters, its own choices, and clicks on confusions.
"use strict";
(() => {
  const holder = document.getElementById("clip-list");
  if (!holder) return;
  const { page, sheets, clips } = JSON.parse(holder.textContent);
  const section = document.getElementById("all-clips"), group = section.querySelector(".clip-choice");
  const selects = Object.fromEntries([...group.querySelectorAll("select")].map((select) => [select.dataset.choice, select]));
  const status = section.querySelector("[role=status]"), list = section.querySelector(".clip-thumbs");
  const before = section.querySelector(".clip-before"), next = section.querySelector(".clip-next");
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const urls = [];
  let dataset = null; // of a clicked confusion
  let first = 0;

  function names(values) {
    return [...new Set(values.filter((value) => value !== null))].sort(order);
  }

  function offer(select, values) {
    for (const value of values) select.append(new Option(value, value));
    if (values.length < 2) select.parentElement.hidden = true;
  }

  function filter() {
    return window.stepaudit.filter;
  }

  /** The answers to a clip that the choices speak of; none: the clip is not shown. */
  function asked(clip) {
    const [model, label, right, answer] = ["model", "label", "right", "answer"].map((name) => selects[name].value);
    const global = filter();
    if (label && clip.label !== label) return [];
    if ((dataset && clip.dataset !== dataset) || (global.dataset && clip.dataset !== global.dataset)) return [];
    if (global.label && clip.label !== global.label) return [];
    return clip.answers.filter(([name, named, , isRight]) =>
      (!model || name === model) && (!global.model || name === global.model) &&
      (!answer || named === answer) && (!right || String(isRight) === right));
  }

  function isFree() {
    return !Object.values(selects).some((select) => select.value) && !filter().model;
  }

  function fitting() {
    const free = isFree(); // then clips without any answer are shown, too
    return clips.filter((clip) => asked(clip).length || (free && !clip.answers.length && asked({ ...clip, answers: [[]] }).length));
  }

  /** An address of a sheet's picture that many elements can share. */
  function address(sheet) {
    if (!urls[sheet]) {
      const [head, body] = sheets[sheet].picture.split(",");
      const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
      urls[sheet] = URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] }));
    }
    return urls[sheet];
  }

  function picture(clip) {
    const element = document.createElement("span");
    element.className = "clip-thumb";
    element.setAttribute("role", "img");
    if (!clip.place) {
      element.setAttribute("aria-label", "No picture of " + clip.clip_id);
      element.style.aspectRatio = "4 / 3";
      element.textContent = "no picture";
      return element;
    }
    const [sheet, place] = clip.place, { columns, count, size } = sheets[sheet], rows = Math.ceil(count / columns);
    const share = (index, of) => (of > 1 ? 100 * index / (of - 1) : 0) + "%";
    element.setAttribute("aria-label", "Middle frame of " + clip.clip_id);
    element.style.aspectRatio = size.join(" / ");
    element.style.backgroundImage = `url("${address(sheet)}")`;
    element.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    element.style.backgroundPosition = `${share(place % columns, columns)} ${share(Math.floor(place / columns), rows)}`;
    return element;
  }

  function line(tag, text, looks = "") {
    const element = Object.assign(document.createElement(tag), { textContent: text, className: looks });
    element.dir = "auto";
    return element;
  }

  function tile(clip) {
    const item = document.createElement("li");
    const name = line(clip.anchor ? "a" : "span", clip.clip_id);
    if (clip.anchor) name.href = "#" + clip.anchor;
    item.append(picture(clip), ...(clip.label === null ? [] : [line("strong", clip.label), " "]), name);
    const chosen = selects.model.value || filter().model;
    for (const [model, answer, probability, isRight] of clip.answers) {
      if (chosen && model !== chosen) continue;
      const sure = probability === null ? "" : " " + probability.toFixed(2);
      item.append(line("span", `${model}: ${isRight ? "right" : answer}${sure}`, isRight === false ? "clip-wrong" : ""));
    }
    return item;
  }

  function draw() {
    const shown = fitting();
    if (first >= shown.length) first = 0;
    const last = Math.min(shown.length, first + page);
    const place = shown.length > page ? `, ${first + 1} to ${last} shown` : "";
    status.textContent = `${shown.length} of ${clips.length} clips${place}.`;
    before.hidden = next.hidden = shown.length <= page;
    before.disabled = !first;
    next.disabled = last === shown.length;
    list.replaceChildren(...shown.slice(first, last).map(tile));
  }

  function restart() {
    first = 0;
    draw();
  }

  function clear() {
    dataset = null;
    for (const select of Object.values(selects)) select.value = "";
  }

  /** Shows the clips of a confusion, `{dataset, model, label, answer}`. */
  function show(chosen) {
    clear();
    dataset = chosen.dataset;
    for (const name of ["model", "label", "answer"]) selects[name].value = chosen[name];
    if (!selects.answer.value) selects.right.value = "false"; // "(others)": any answer that is wrong
    restart();
    section.scrollIntoView();
  }

  function addButtons() {
    for (const row of document.querySelectorAll("tr[data-answered]")) {
      const { dataset: place, model, label, answered } = row.dataset;
      const column = [...row.closest("table").tHead.rows[0].cells].findIndex((cell) => cell.textContent === "answered");
      const button = Object.assign(line("button", "Show", "plain clip-show"), { type: "button" });
      button.addEventListener("click", () => show({ dataset: place, model, label, answer: answered }));
      row.cells[column].append(" ", button);
    }
  }

  offer(selects.model, names(clips.flatMap((clip) => clip.answers.map(([model]) => model))));
  offer(selects.label, names(clips.map((clip) => clip.label)));
  offer(selects.answer, names(clips.flatMap((clip) => clip.answers.map(([, answer]) => answer))));
  if (!clips.some((clip) => clip.answers.some((answer) => answer[3] !== null))) selects.right.parentElement.hidden = true;
  group.addEventListener("change", restart);
  group.querySelector(".clip-clear").addEventListener("click", () => { clear(); restart(); });
  before.addEventListener("click", () => { first -= page; draw(); });
  next.addEventListener("click", () => { first += page; draw(); });
  document.addEventListener("stepaudit:filter", restart);
  document.addEventListener("stepaudit:confusion", (event) => show(event.detail));
  addButtons();
  new IntersectionObserver((entries, watcher) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    draw();
  }, { rootMargin: "600px" }).observe(section);
})();
