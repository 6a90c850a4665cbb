// Makes the charts answer: each is drawn by Vega when it comes near the view, in place of the still drawing.
(function () {
  "use strict";
  const KEYS = ["dataset", "model", "method", "label"];
  const NARROW = 560; // px of a figure in which panels stand below each other
  const holder = document.getElementById("specs");
  const specs = holder ? JSON.parse(holder.textContent) : {};
  const views = new Map(); // figure -> {view, finalize, narrow}
  const tip = document.createElement("div");
  tip.className = "chart-tip";
  tip.hidden = true;

  function filter() {
    return (window.stepaudit && window.stepaudit.filter) || {};
  }

  function fitted(spec, width) {
    const copy = JSON.parse(JSON.stringify(spec));
    if (width >= NARROW) return copy;
    const panel = copy.facet ? copy.spec : copy;
    const rows = copy.usermeta.labels || 0;
    panel.width = Math.max(140, Math.min(panel.width, width - 70 - rows));
    if (copy.facet) copy.columns = 1;
    copy.config.legend.columns = 2;
    return copy;
  }

  function showTip(handler, event, item, value) {
    if (value === null || value === undefined || typeof value !== "object") {
      tip.hidden = true;
      return;
    }
    const table = document.createElement("table");
    for (const [name, text] of Object.entries(value)) {
      if (text === null || text === undefined || text === "" || text === "null" || text === "undefined") continue;
      const row = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name.replaceAll("_", " ");
      row.append(head);
      row.insertCell().textContent = String(text);
    }
    tip.replaceChildren(table);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 4)) + "px";
    tip.style.top = Math.max(4, event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + "px";
  }

  function save(figure, view) {
    const bar = document.createElement("div");
    bar.className = "chart-save";
    for (const kind of ["SVG", "PNG"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.title = "Save this chart as " + kind;
      button.addEventListener("click", async () => {
        const link = document.createElement("a");
        link.href = await view.toImageURL(kind.toLowerCase(), kind === "PNG" ? 2 : 1);
        link.download = figure.dataset.chart + "." + kind.toLowerCase();
        link.click();
      });
      bar.append(button);
    }
    return bar;
  }

  // What of a filter this chart cannot show, in words; empty if it can.
  function shortfall(spec, chosen) {
    const active = KEYS.filter((key) => chosen[key] !== null && chosen[key] !== undefined);
    const words = { dataset: "data set", model: "model", method: "method", label: "class" };
    const missing = active.filter((key) => !spec.usermeta.filters.includes(key));
    if (missing.length) return "Not split by " + missing.map((key) => words[key]).join(" or ") + ".";
    const rows = spec.data.values;
    const some = rows.some((row) => active.every((key) => row[key] === chosen[key]));
    return some ? "" : "Nothing of what is chosen is in this chart.";
  }

  /** A click on a cell of a confusion matrix chooses its clips in the list, see clips.js. */
  function clicked(figure, item) {
    const { dataset, model, truth, answer } = (item && item.datum) || {};
    if (!figure.dataset.chart.startsWith("confusions") || truth === undefined) return;
    document.dispatchEvent(new CustomEvent("stepaudit:confusion", { detail: { dataset, model, label: truth, answer } }));
  }

  function note(figure, text) {
    let place = figure.querySelector(".chart-note");
    if (!place) {
      place = document.createElement("p");
      place.className = "chart-note";
      place.setAttribute("role", "status");
      figure.querySelector("figcaption").before(place);
    }
    place.textContent = text;
    place.hidden = !text;
  }

  async function apply(figure) {
    const drawn = views.get(figure);
    const chosen = filter();
    const spec = specs[figure.dataset.chart];
    note(figure, shortfall(spec, chosen));
    if (!drawn) return;
    for (const key of KEYS) {
      const value = spec.usermeta.filters.includes(key) ? chosen[key] : null;
      drawn.view.signal("chosen_" + key, value === undefined ? null : value);
    }
    await drawn.view.runAsync();
  }

  async function draw(figure) {
    const place = figure.querySelector(".drawing");
    const width = figure.clientWidth || 600;
    const before = views.get(figure);
    const box = document.createElement("div");
    try {
      const result = await window.stepauditVega.embed(box, fitted(specs[figure.dataset.chart], width), {
        mode: "vega-lite",
        renderer: "svg",
        actions: false,
        tooltip: showTip,
        logLevel: 1, // errors: that a filter leaves a panel empty is none
      });
      result.view.addEventListener("click", (event, item) => clicked(figure, item));
      views.set(figure, { view: result.view, finalize: result.finalize, narrow: width < NARROW });
      await apply(figure);
      place.replaceChildren(box, save(figure, result.view));
      if (before) before.finalize();
      figure.dataset.drawn = "true";
    } catch (error) {
      figure.dataset.error = String((error && error.message) || error);
    }
  }

  function start() {
    const figures = [...document.querySelectorAll("figure[data-chart]")].filter((figure) => specs[figure.dataset.chart]);
    if (!figures.length) return;
    document.body.append(tip);
    const near = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          near.unobserve(entry.target);
          draw(entry.target);
        }
      },
      { rootMargin: "400px" },
    );
    figures.forEach((figure) => near.observe(figure));
    document.addEventListener("stepaudit:filter", () => figures.forEach((figure) => apply(figure)));
    document.addEventListener("scroll", () => (tip.hidden = true), { passive: true });
    let waiting = 0;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        for (const [figure, drawn] of views) if (figure.clientWidth < NARROW !== drawn.narrow) draw(figure);
      }, 200);
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
