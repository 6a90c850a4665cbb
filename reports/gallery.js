// The gallery's animations: maps are made of their grids as stepaudit.maps does, and coloured as stepaudit.report.pictures.pictures does.
"use strict";
(() => {
  const gallery = document.querySelector(".gallery");
  if (!gallery) return;

  const HEAT = [[20, 11, 53], [98, 20, 110], [186, 54, 85], [243, 120, 25], [249, 201, 50], [252, 255, 164]];
  const GREEN = "rgb(80, 255, 170)";
  const TEMPERATURE = 20;
  const LEAST_PX = 240; // height of a picture on its canvas
  const BARS_PX = 30; // height of the bars below it

  // ---- full maps: [t, h, w] of a grid, any value in [0, 1], to one frame of [T, H, W] ----

  /** Where each of `count` pixels lies among `cells`: index below, index above, weight of the one above. */
  function between(count, cells) {
    return Array.from({ length: count }, (_, index) => {
      const at = Math.max(0, (index + 0.5) * cells / count - 0.5);
      const low = Math.min(Math.floor(at), cells - 1);
      return [low, Math.min(low + 1, cells - 1), at - low];
    });
  }

  function nearestIndex(index, count, cells) { // torch computes in single precision
    return Math.min(Math.floor(Math.fround(index * Math.fround(cells / count))), cells - 1);
  }

  function nearest(grid, [t, h, w], [T, H, W], frame) {
    const start = nearestIndex(frame, T, t) * h * w, full = new Float32Array(H * W);
    const columns = Array.from({ length: W }, (_, x) => nearestIndex(x, W, w));
    for (let y = 0; y < H; y++) {
      const row = start + nearestIndex(y, H, h) * w;
      for (let x = 0; x < W; x++) full[y * W + x] = grid[row + columns[x]];
    }
    return full;
  }

  function trilinear(grid, [t, h, w], [T, H, W], frame) {
    const [before, after, late] = between(T, t)[frame], size = h * w, full = new Float32Array(H * W);
    const still = new Float32Array(size);
    for (let i = 0; i < size; i++) still[i] = grid[before * size + i] * (1 - late) + grid[after * size + i] * late;
    const rows = between(H, h), columns = between(W, w);
    for (let y = 0; y < H; y++) {
      const [above, below, low] = rows[y];
      for (let x = 0; x < W; x++) {
        const [left, right, far] = columns[x];
        const upper = still[above * w + left] * (1 - far) + still[above * w + right] * far;
        const lower = still[below * w + left] * (1 - far) + still[below * w + right] * far;
        full[y * W + x] = upper * (1 - low) + lower * low;
      }
    }
    return full;
  }

  /** The softmax-weighted maximum of the seeds around each pixel, see stepaudit.extremal.smooth_max. */
  function smoothMax(grid, [t, h, w], [T, H, W], frame, { sigma, step }) {
    const reach = 1 + Math.ceil(sigma / step), side = 2 * reach + 1, middle = (step - 1) / 2;
    const apart = (cell, place) => (cell - reach) * step - (place - middle);
    const weights = new Float32Array(step * step * side * side);
    for (let py = 0, i = 0; py < step; py++) for (let px = 0; px < step; px++)
      for (let ny = 0; ny < side; ny++) for (let nx = 0; nx < side; nx++, i++) {
        const z = Math.hypot(apart(ny, py), apart(nx, px)) / sigma;
        weights[i] = Math.exp(-2 * Math.max(z - 0.5, 0) ** 2);
      }
    const start = frame * h * w, full = new Float32Array(H * W);
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
      const cy = Math.floor(y / step), cx = Math.floor(x / step);
      let i = ((y - cy * step) * step + x - cx * step) * side * side, total = 0, sums = 0;
      for (let ny = cy - reach; ny <= cy + reach; ny++) for (let nx = cx - reach; nx <= cx + reach; nx++, i++) {
        const seed = ny < 0 || ny >= h || nx < 0 || nx >= w ? 0 : grid[start + ny * w + nx];
        if (seed === 0) { sums += 1; continue; } // exp(0), and nothing to add
        const value = weights[i] * seed, power = Math.exp(TEMPERATURE * value);
        total += power * value;
        sums += power;
      }
      full[y * W + x] = total / sums;
    }
    return full;
  }

  const UPSAMPLINGS = { nearest, trilinear, "smooth-max": smoothMax };

  /** One frame of a full map as it is shown, Float32Array [H·W] in [0, 1]. */
  function shareOf(map, grid, size, frame) {
    const [name, parameters = ""] = map.upsampling.split(":");
    const numbers = Object.fromEntries(parameters.split(",").map((pair) => pair.split("=")).map(([key, value]) => [key, Number(value)]));
    const full = UPSAMPLINGS[name](grid, map.shape, size, frame, numbers);
    for (let i = 0; i < full.length; i++) full[i] = Math.min(1, Math.max(0, full[i] / map.greatest));
    return full;
  }

  /** All frames of a crisp mask, see stepaudit.extremal.crisp: a ramp around the quantile that shows the ratio. */
  function crispShares(map, grid, size) {
    const [frames, height, width] = size, soft = Array.from({ length: frames }, (_, frame) => shareOf(map, grid, size, frame));
    const all = new Float32Array(frames * height * width);
    soft.forEach((share, frame) => all.set(share, frame * height * width));
    all.sort();
    const place = Math.min(all.length, Math.max(1, all.length - Math.round(map.crisp * all.length) + 1));
    const edge = Math.min(0.9, Math.max(0.1, all[place - 1]));
    for (const share of soft) for (let i = 0; i < share.length; i++) share[i] = Math.min(1, Math.max(0, (share[i] - edge) / 0.2 + 0.5));
    return soft;
  }

  // ---- sheets: pictures of one size in rows, as stepaudit.report.pictures.pictures.sheet lays them ----

  async function picture(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  }

  function pixels(image, width, height, place = [0, 0, image.naturalWidth, image.naturalHeight]) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, ...place, 0, 0, width, height);
    return pen.getImageData(0, 0, width, height).data;
  }

  /** The grid of a map, Float32Array [t·h·w]. */
  async function gridOf(map) {
    const image = await picture(map.sheet), [t, h, w] = map.shape, grid = new Float32Array(t * h * w);
    const wide = image.naturalWidth, grey = pixels(image, wide, image.naturalHeight);
    for (let frame = 0, i = 0; frame < t; frame++) {
      const top = Math.floor(frame / map.columns) * h, left = (frame % map.columns) * w;
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++, i++) grid[i] = grey[4 * ((top + y) * wide + left + x)] / 255 * map.top;
    }
    return grid;
  }

  /** Where a frame stands in a film's sheet: left, top, width, height. */
  function placeOf(film, image, frame) {
    const width = image.naturalWidth / film.columns, height = image.naturalHeight / Math.ceil(film.size[0] / film.columns);
    return [(frame % film.columns) * width, Math.floor(frame / film.columns) * height, width, height];
  }

  // ---- colours ----

  const COLOURS = Float32Array.from({ length: 256 * 3 }, (_, i) => {
    const at = Math.floor(i / 3) / 255 * (HEAT.length - 1), low = Math.min(Math.floor(at), HEAT.length - 2);
    return HEAT[low][i % 3] + (HEAT[low + 1][i % 3] - HEAT[low][i % 3]) * (at - low);
  });
  const OPACITY = Float32Array.from({ length: 256 }, (_, level) => 0.75 * (level / 255) ** 0.55);

  function over(frame, share) {
    for (let i = 0, p = 0; i < share.length; i++, p += 4) {
      const level = Math.round(share[i] * 255), opacity = OPACITY[level];
      const grey = (frame[p] + frame[p + 1] + frame[p + 2]) / 3 * 0.55 * (1 - opacity);
      for (let c = 0; c < 3; c++) frame[p + c] = grey + COLOURS[3 * level + c] * opacity + frame[p + c] * 0.3 * opacity;
    }
  }

  function kept(frame, share) {
    for (let i = 0, p = 0; i < share.length; i++, p += 4) {
      const hidden = (frame[p] + frame[p + 1] + frame[p + 2]) / 3 * 0.12 + 12;
      for (let c = 0; c < 3; c++) frame[p + c] = frame[p + c] * share[i] + hidden * (1 - share[i]);
    }
  }

  // ---- a card ----

  const state = { mode: "over", speed: 8 };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  /** A card of the gallery, or a picture beside a finding: a link with one canvas, whose clip and map a card has. */
  class Card {
    constructor(element) {
      this.element = element;
      this.holder = element.dataset.card ? document.getElementById(element.dataset.card) : element;
      this.playing = !still;
      this.frame = null; // at first the one with the greatest share of the first map
      this.due = 0;
      this.visible = false;
      this.loading = null;
      this.controls = element.querySelector(".clip-controls");
      this.button = element.querySelector(".clip-play");
      this.slider = element.querySelector(".clip-frame");
      this.now = element.querySelector(".clip-now");
      this.button?.addEventListener("click", () => this.play(!this.playing));
      this.slider?.addEventListener("input", () => { this.play(false); this.go(Number(this.slider.value)); });
      this.play(this.playing);
      if (this.controls) this.controls.hidden = false;
      element.classList.add("clip-moving");
    }

    play(playing) {
      this.playing = playing;
      if (this.button) this.button.textContent = playing ? "Pause" : "Play";
      if (playing) wake();
      tellAll();
    }

    /** Reads the pictures when the card comes near, and forgets them when it is far. */
    async show(visible) {
      this.visible = visible;
      if (!visible) { this.loading = this.scene = null; return; }
      if (this.loading) return;
      const loading = this.loading = this.load();
      try {
        const scene = await loading;
        if (this.loading !== loading) return;
        this.scene = scene;
        if (this.slider) this.slider.max = scene.count - 1;
        this.go(this.frame ?? fullest(scene));
        this.element.dataset.ready = "true";
        wake();
      } catch (error) {
        this.element.dataset.error = String(error && error.message || error);
        this.element.classList.remove("clip-moving");
        if (this.controls) this.controls.hidden = true;
      }
    }

    async load() {
      const data = JSON.parse(this.holder.querySelector(".clip-data").textContent), films = {};
      for (const [size, film] of Object.entries(data.films)) films[size] = { ...film, image: await picture(film.sheet), frames: [] };
      const panels = [...this.element.querySelectorAll("canvas")].map((canvas) => {
        const map = canvas.dataset.map === undefined ? null : data.maps[Number(canvas.dataset.map)];
        return { canvas, map, film: films[map ? map.film : canvas.dataset.film], grid: null, shares: [] };
      });
      for (const panel of panels) if (panel.map) panel.grid = await gridOf(panel.map);
      return { panels, sources: data.sources, count: Math.max(...Object.values(films).map((film) => film.size[0])), films };
    }

    go(frame) {
      if (!this.scene) return;
      this.frame = frame % this.scene.count;
      this.draw();
      if (!this.slider) return;
      this.slider.value = this.frame;
      const film = Object.values(this.scene.films)[0], source = this.scene.sources[this.frame];
      const action = film.in_action && film.in_action[this.frame] ? ", in the action" : "";
      this.now.textContent = `${this.frame + 1} of ${this.scene.count}` + (source === undefined ? "" : `, source frame ${source}`) + action;
      this.slider.setAttribute("aria-valuetext", this.now.textContent);
    }

    draw() {
      if (!this.scene) return;
      for (const panel of this.scene.panels) if (panel.canvas.getClientRects().length) draw(panel, this.frame, this.scene.count);
    }
  }

  function fullest({ panels }) {
    const volumes = panels.find((panel) => panel.map)?.map.volumes ?? [];
    return Math.max(0, volumes.indexOf(Math.max(...volumes)));
  }

  /** A frame's own pixels at the size of the clip, a copy. */
  function frameOf(film, frame) {
    const [, height, width] = film.size;
    film.frames[frame] ??= pixels(film.image, width, height, placeOf(film, film.image, frame));
    return new Uint8ClampedArray(film.frames[frame]);
  }

  function draw({ canvas, map, film, grid, shares }, at, count) {
    const [frames, height, width] = film.size, frame = Math.floor(at * frames / count);
    const zoom = Math.max(1, Math.round(LEAST_PX / height)), pen = canvas.getContext("2d");
    if (canvas.width !== width * zoom || canvas.height !== height * zoom + BARS_PX) Object.assign(canvas, { width: width * zoom, height: height * zoom + BARS_PX });
    pen.imageSmoothingQuality = "high";
    if (map && state.mode !== "clip") {
      if (map.crisp && !shares.length) shares.push(...crispShares(map, grid, film.size));
      shares[frame] ??= shareOf(map, grid, film.size, frame);
      const colours = frameOf(film, frame);
      (state.mode === "over" ? over : kept)(colours, shares[frame]);
      const small = scratch(width, height);
      small.getContext("2d").putImageData(new ImageData(colours, width, height), 0, 0);
      pen.drawImage(small, 0, 0, width * zoom, height * zoom);
    } else pen.drawImage(film.image, ...placeOf(film, film.image, frame), 0, 0, width * zoom, height * zoom);
    boxes(pen, film.boxes[frame], zoom);
    bars(pen, map, film, frame, [width * zoom, height * zoom]);
  }

  const scratches = new Map();
  function scratch(width, height) {
    const key = `${width}x${height}`;
    if (!scratches.has(key)) scratches.set(key, Object.assign(document.createElement("canvas"), { width, height }));
    return scratches.get(key);
  }

  function boxes(pen, found, zoom) {
    for (const [colour, line] of [["rgba(0, 0, 0, 0.55)", 5], [GREEN, 2.5]]) {
      Object.assign(pen, { strokeStyle: colour, lineWidth: line });
      for (const [x0, y0, x1, y1] of found) pen.strokeRect(x0 * zoom, y0 * zoom, (x1 - x0) * zoom, (y1 - y0) * zoom);
    }
  }

  /** Below a picture: the map's share of each frame, which frame is shown, and in green the annotated action. */
  function bars(pen, map, film, now, [width, top]) {
    const count = film.size[0], pitch = width / count, volumes = map ? map.volumes : [], most = Math.max(1e-9, ...volumes);
    Object.assign(pen, { fillStyle: "#14171a" });
    pen.fillRect(0, top, width, BARS_PX);
    for (let frame = 0; frame < count; frame++) {
      const high = volumes.length ? Math.max(1, (BARS_PX - 10) * volumes[frame] / most) : 2;
      pen.fillStyle = frame === now ? "rgb(249, 201, 50)" : "#69727e";
      pen.fillRect(frame * pitch + 1, top + BARS_PX - 7 - high, pitch - 2, high);
      pen.fillStyle = film.in_action && film.in_action[frame] ? GREEN : "#2b3138";
      pen.fillRect(frame * pitch, top + BARS_PX - 5, pitch, 4);
    }
  }

  // ---- all cards ----

  const cards = [];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) cards.find((card) => card.element === entry.target).show(entry.isIntersecting);
  }, { rootMargin: "150px" });

  let asked = false;
  function wake() {
    if (!asked) { asked = true; requestAnimationFrame(tick); }
  }

  function tick(time) {
    asked = false;
    const moving = cards.filter((card) => card.playing && card.visible && card.scene);
    for (const card of moving) if (time >= card.due) {
      if (card.due) card.go(card.frame + 1);
      card.due = time + 1000 / state.speed;
    }
    if (moving.length) wake();
  }

  const toolbar = gallery.querySelector(".clip-toolbar"), all = gallery.querySelector(".clip-play-all");
  function tellAll() {
    if (all) all.textContent = cards.some((card) => card.playing) ? "Pause all" : "Play all";
  }

  /** Cards that no rule chose for the model of the filter, and groups that are left without a card, are hidden. */
  function fit(filter) {
    const fits = (element) => !filter.model || !element.dataset.reasonModel || element.dataset.reasonModel === filter.model;
    for (const reason of gallery.querySelectorAll(".clip-reasons > li")) reason.classList.toggle("clip-off", !fits(reason));
    for (const element of gallery.querySelectorAll(".clip-card"))
      element.classList.toggle("clip-off", ![...element.querySelectorAll(".clip-reasons > li")].some(fits));
    for (const group of gallery.querySelectorAll(".clip-group")) {
      const note = group.querySelector(".clip-unfit"), found = [...group.querySelectorAll(".clip-card, :scope > .clip-reasons > li")];
      if (note) note.hidden = found.some((element) => element.getClientRects().length);
    }
    for (const card of cards) card.draw();
  }

  document.documentElement.classList.add("clip-scripted");
  for (const element of gallery.querySelectorAll(".clip-card")) if (element.querySelector(".clip-data")) cards.push(new Card(element));
  for (const element of document.querySelectorAll(".finding-clip")) cards.push(new Card(element));
  if (toolbar && cards.length) {
    toolbar.hidden = false;
    toolbar.addEventListener("change", (event) => {
      if (event.target.name === "clip-mode") state.mode = event.target.value;
      if (event.target.matches(".clip-speed")) state.speed = Number(event.target.value);
      for (const card of cards) card.draw();
    });
    all.addEventListener("click", () => { const play = !cards.some((card) => card.playing); for (const card of cards) card.play(play); });
  }
  tellAll();
  for (const card of cards) watcher.observe(card.element);
  for (const details of gallery.querySelectorAll(".clip-floors")) details.addEventListener("toggle", () => { for (const card of cards) if (card.element.contains(details)) card.draw(); });
  document.addEventListener("stepaudit:filter", (event) => requestAnimationFrame(() => fit(event.detail || {})));

  window.stepaudit = Object.assign(window.stepaudit || {}, { gallery: { gridOf, shareOf, crispShares } });
})();
