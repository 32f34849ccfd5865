// How far chance alone goes: distances of replicates drawn with fresh luck as dots from 0 to 1, this run as a line among them.
// Draws distances and asks for more of them; does not know how they are drawn.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chart } = Forklore;
  const { el, svg } = dom;
  const [LEFT, RIGHT, TOP, RADIUS] = [12, 12, 26, 5];
  const [MORE, MOST] = [8, 256];
  const TOGETHER = 4; // answers that one pass over the weights writes in about the time of one
  const PAGE = { ink: "var(--fl-ink)", soft: "var(--fl-soft)", line: "var(--fl-line-strong)", card: "var(--fl-card)", dot: "var(--fl-bar)", mark: "var(--fl-accent)", sans: "inherit" };
  const PAPER = { ink: "#1d1c1a", soft: "#605c55", line: "#c9c3b8", card: "#ffffff", dot: "#4b74ae", mark: "#9a3412", sans: 'Inter, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif' };

  const several = (count, one) => `${format.count(count)} ${one}${count === 1 ? "" : "s"}`;

  /** Dots that would touch are stacked: [{x, level}], x in [0, 1] of the width. */
  function stack(values, room) {
    const out = [];
    [...values].sort((a, b) => a - b).forEach((value) => {
      let level = 0;
      while (out.some((dot) => dot.level === level && Math.abs(dot.x - value) < room)) level += 1;
      out.push({ x: value, level });
    });
    return out;
  }

  /** The drawing as {nodes, height}. */
  function draw({ distances, value, inferred }, name, width, colours) {
    const plot = width - LEFT - RIGHT;
    const x = (v) => LEFT + v * plot;
    const dots = stack(distances.filter(format.exists), (2 * RADIUS + 1) / plot);
    const floor = TOP + 14 + (1 + Math.max(1, ...dots.map((dot) => dot.level))) * (2 * RADIUS + 1);
    const text = (at, y, words, more) => svg("text", { x: at.toFixed(1), y, "font-size": 11.5, "font-family": colours.sans, fill: colours.soft, "text-anchor": "middle", text: words, ...more });
    const nodes = [svg("line", { x1: x(0), x2: x(1), y1: floor, y2: floor, stroke: colours.line })];
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      const anchor = tick === 0 ? "start" : tick === 1 ? "end" : "middle";
      nodes.push(svg("line", { x1: x(tick), x2: x(tick), y1: floor, y2: floor + 4, stroke: colours.line }), text(x(tick), floor + 18, `${tick}`, { "text-anchor": anchor }));
    }
    nodes.push(text(x(0.02), floor + 34, "the same text", { "text-anchor": "start" }), text(x(0.98), floor + 34, "nothing in common", { "text-anchor": "end" }));
    for (const dot of dots) nodes.push(svg("circle", { cx: x(dot.x).toFixed(1), cy: floor - RADIUS - 2 - dot.level * (2 * RADIUS + 1), r: RADIUS, fill: colours.dot, "fill-opacity": 0.8 }));
    for (const d of inferred?.distances || []) nodes.push(svg("line", { x1: x(d), x2: x(d), y1: floor - 9, y2: floor, stroke: colours.mark, "stroke-width": 1.4 }));
    if (format.exists(value)) {
      nodes.push(svg("line", { x1: x(value), x2: x(value), y1: TOP - 8, y2: floor, stroke: colours.mark, "stroke-width": 2 }),
        text(x(value), TOP - 13, `${name} ${value.toFixed(2)}`, { fill: colours.mark, "font-weight": 600, "text-anchor": value < 0.15 ? "start" : value > 0.85 ? "end" : "middle" }));
    }
    return { nodes, height: floor + 42 };
  }

  /** "Closer to the original than 7 of 8 resamplings (percentile 12)." */
  function sentence({ distances, value, percentile, inferred }) {
    const known = distances.filter(format.exists);
    if (!known.length || !format.exists(value)) return "";
    const [further, equal] = [known.filter((d) => d > value).length, known.filter((d) => d === value).length];
    const share = format.exists(percentile) ? `, percentile ${Math.round(100 * percentile)}` : "";
    const ties = equal ? `, as close as ${equal}` : "";
    const spread = inferred && format.exists(inferred.error) ? ` ± ${inferred.error.toFixed(2)}` : "";
    if (inferred) return `Over its ${inferred.distances.length} draws of the inferred luck, on average closer to the original than ${format.exists(percentile) ? format.percent(1 - percentile, 0) : format.NA} of ${known.length} resamplings (n = ${known.length}${share}). The line is the mean of the draws${spread}, each a short stroke.`;
    return `Closer to the original than ${further} of ${known.length} resampling${known.length === 1 ? "" : "s"}${ties} (n = ${known.length}${share}).`;
  }

  class WhatIfStrip {
    constructor(context) {
      this.context = context;
      this.words = el("p", { class: "fl-wi-said" });
      this.frame = el("div", { class: "fl-wi-strip" });
      this.acts = el("div", { class: "fl-wi-acts" });
      this.body = el("tbody");
      this.table = el("details", { class: "fl-fold" }, el("summary", { text: "The replicates as table and text" }),
        el("div", { class: "fl-table-frame", tabindex: "0", role: "region", "aria-label": "The replicates" }, el("table", { class: "fl-table fl-wi-table" },
          el("thead", {}, el("tr", {}, ["replicate", "characters", "tokens", "begins"].map((head) => el("th", { scope: "col", text: head })))), this.body)));
      this.problem = el("p", { class: "fl-br-problem", role: "alert" });
      this.root = el("section", { class: "fl-wi-part" }, el("h3", { text: "How far does chance alone go?" }), this.words, this.frame, this.problem, this.acts, this.table);
      new ResizeObserver(() => this.picture()).observe(this.frame);
    }

    get data() {
      const found = this.context.trace.later.replicates;
      return found ? { ...found, distances: found.distances || [], tokens: found.tokens || [], texts: found.texts || [] } : null;
    }
    get name() {
      return { same: "same luck", inferred: "inferred luck" }[this.context.trace.header.luck] || "this run";
    }
    get certain() {
      return this.context.trace.header.settings?.temperature === 0;
    }
    /** Tokens of this run that were drawn: as many as each replicate draws, about. */
    get drawn() {
      const { trace } = this.context;
      return Math.max(1, trace.length - (trace.header.edit?.held ?? trace.parent.fork));
    }

    update() {
      const { trace } = this.context;
      this.root.hidden = !trace.parent || !trace.done;
      if (this.root.hidden) return;
      const { data } = this;
      const has = Boolean(data) && data.distances.length > 0;
      this.words.textContent = this.certain ? "At temperature 0 nothing is left to chance: every resampling would be this text itself." : has ? sentence(data) : "Draw the same change again with fresh luck: how far those texts are from the original says what this run’s distance is worth.";
      this.frame.hidden = !has;
      this.table.hidden = !has;
      this.problem.textContent = Forklore.dom.shown(data?.problem || "");
      this.actions(data, has);
      this.picture();
      if (has) this.fillTable(data);
    }

    actions(data, has) {
      const { props } = this.context;
      const running = Boolean(data) && !data.finished && !data.problem;
      const key = `${running}|${this.context.trace.stored}|${this.certain}|${data?.distances.length}|${data?.count}|${this.drawn}|${JSON.stringify(this.context.trace.later.price)}`;
      if (running) {
        const words = `Drawing ${format.count(data.count)} replicates: the longest has ${several(data.done, "token")}, ${format.count(data.distances.length)} came to their end`;
        if (this.progress?.isConnected) this.progress.textContent = Forklore.dom.shown(words);
        else {
          this.progress = el("span", { class: "fl-running", text: words });
          this.acts.replaceChildren(this.progress, ...(props.branches ? [dom.button("Stop", () => this.context.emit("job_stop", {}))] : []));
        }
      } else if (key !== this.acted) {
        this.acts.replaceChildren(...this.offers(data, has));
      }
      this.acted = key;
    }

    /** Buttons: more replicates with their price first; picture and numbers where there are some. */
    offers(data, has) {
      const { trace, props } = this.context;
      const price = trace.later.price || {};
      // those that were stopped are drawn to their end before there are more
      const count = !has ? price.replicates || MORE : data.distances.length < data.count ? data.count : Math.min(MOST, 2 * data.count);
      const each = has && format.exists(data.seconds) ? data.seconds / data.count : format.exists(price.seconds_per_token) ? (this.drawn * price.seconds_per_token) / TOGETHER : null;
      const seconds = each === null ? "" : `, about ${format.seconds(count * each)}`;
      const ask = dom.button(`Draw ${count} replicates (${count} × about ${several(this.drawn, "token")}${seconds})`, () => {
        ask.disabled = true;
        setTimeout(() => { ask.disabled = false; }, 2500);
        this.context.emit("replicates_ask", { count });
      });
      return [props.branches && trace.stored && !this.certain ? ask : null, ...(has ? [
        dom.button("Save picture", () => this.save(), { class: "fl-link-button" }), dom.button("Copy numbers", () => this.copy(), { class: "fl-link-button" })] : [])].filter(Boolean);
    }

    picture() {
      const { data } = this;
      const width = this.frame.clientWidth;
      if (this.root.hidden || this.frame.hidden || !data || width < 80) return;
      const key = JSON.stringify([width, data.distances, data.value, data.inferred, this.name]);
      if (key === this.drawnKey) return;
      this.drawnKey = key;
      const { nodes, height } = draw(data, this.name, width, PAGE);
      this.frame.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Distances from the original, 0 to 1. ${sentence(data)}` }, nodes));
    }

    fillTable(data) {
      const key = JSON.stringify([data.distances, data.tokens, data.value]);
      if (key === this.filled) return;
      this.filled = key;
      const row = (name, i) => el("tr", {}, el("th", { scope: "row", text: name }), ...[data.distances[i], data.tokens[i]].map((d) => el("td", { class: "fl-number", text: format.exists(d) ? d.toFixed(3) : format.NA })), el("td", {}, words(data.texts[i])));
      const order = data.distances.map((_, i) => i).sort((a, b) => data.distances[a] - data.distances[b]);
      this.body.replaceChildren(...order.map((i) => row(String(i + 1), i)));
    }

    tsv() {
      const { data } = this;
      const own = this.context.trace.later.versus || {};
      return format.tsv([["replicate", "distance (characters)", "distance (tokens)", "begins"], [this.name, data.value, own.tokens ?? null, ""],
        ...data.distances.map((d, i) => [i + 1, d, data.tokens[i], data.texts[i] || ""])]);
    }

    async copy() {
      this.context.say((await dom.copyText(this.tsv())) ? "Numbers copied." : "The browser did not allow copying.");
    }

    async save() {
      const [width, head] = [760, 50];
      const { nodes, height } = draw(this.data, this.name, width, PAPER);
      const text = (y, size, words, fill) => svg("text", { x: LEFT, y, "font-size": size, "font-family": PAPER.sans, fill, text: words });
      const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height: height + head, viewBox: `0 0 ${width} ${height + head}` },
        svg("rect", { width, height: height + head, fill: PAPER.card }), text(22, 14, "Distance from the original under fresh luck", PAPER.ink), text(41, 11.5, sentence(this.data), PAPER.soft), svg("g", { transform: `translate(0 ${head})` }, nodes));
      const name = `${dom.fileName(this.context.trace.header.title, "what-if")}-replicates.png`;
      dom.download(name, await chart.toPng({ text: new XMLSerializer().serializeToString(root), width, height: height + head }), "image/png");
      this.context.say(`Saved ${name}.`);
    }
  }

  function words(text) {
    const host = el("bdi", { class: "fl-wi-begins" });
    Forklore.fillText(host, (text || "").replace(/\s+/g, " "));
    return host;
  }

  Forklore.WhatIfStrip = WhatIfStrip;
})();
