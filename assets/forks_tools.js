// Above the outcome picture: how it is drawn, what is marked, the key of the outcomes, another reading of the same
// draws, and what can be taken away. Writes to the view's settings; files come from what the browser holds.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, controls, chart, forksCurve } = Forklore;
  const { el, svg } = dom;
  const KEPT = "forklore-forks";
  const DEFAULTS = { layout: "", mode: "areas", jumps: "0.15", changes: true, survival: "", drift: "" };
  const EPS = ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"];
  const HEAD = 118;
  const MOST = 9;

  /** Text in lines of at most so many characters. */
  function wrapped(text, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines.at(-1).length + word.length > most) lines.push("");
      lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
    }
    return lines.slice(0, 3);
  }

  /** How the reader wants the picture drawn, from earlier visits. */
  const wishes = {
    recall() {
      const out = { ...DEFAULTS };
      try {
        const kept = JSON.parse(localStorage.getItem(KEPT) || "{}");
        for (const key of Object.keys(out)) if (typeof kept[key] === typeof out[key]) out[key] = kept[key];
      } catch { /* a private window, or somebody else's text */ }
      return out;
    },
    remember(state) {
      try { localStorage.setItem(KEPT, JSON.stringify(state)); } catch { /* a private window forgets */ }
    },
  };

  class ForksTools {
    constructor(context) {
      this.context = context;
      const { view } = context;
      this.layout = controls.segmented({
        label: "Layout", value: context.layout, pick: (layout) => view.set({ layout }),
        choices: [{ value: "text", label: "Along the text", title: "a strip above each line" }, { value: "wide", label: "All at once", title: "one strip as wide as the page" }],
      });
      this.mode = controls.segmented({
        label: "Curve", value: view.state.mode, pick: (mode) => view.set({ mode }),
        choices: [{ value: "areas", label: "Areas", title: "shares stacked; the band belongs to the outcome at the bottom" }, { value: "lines", label: "Lines", title: "each outcome by itself, with its 80 % band" }],
      });
      this.jumps = this.select("Jumps", [["", "off"], ["0.1", "above 0.10"], ["0.15", "above 0.15"], ["0.2", "above 0.20"]], "jumps", "steps of the curve, in total variation; the token in front is to blame");
      this.survival = this.select("Survival", [["", "off"], ...EPS.map((eps) => [eps, `at ${eps}`])], "survival", "the chance that no token up to here was swapped for one that moves the outcome by at least this distance");
      this.changes = this.check("Change points", "changes", "bars as high as a change there is probable; triangles: a second opinion without Bayes (PELT)");
      this.drift = this.select("Drift", [["", "off"], ["L2", "L2"], ["L1", "L1"], ["TV", "total variation"], ["JS", "Jensen-Shannon"]], "drift", "distance of the curve from where it began, as a share of the largest there can be");
      this.reading = el("select", { class: "fl-fk-select", "aria-label": "Read the draws as", title: "Another way to read the same continuations; nothing is drawn again" });
      this.reading.addEventListener("change", () => this.readAgain());
      this.parameter = el("input", { type: "text", class: "fl-fk-select", maxlength: 500 });
      this.parameterName = el("span", {});
      this.asks = el("label", { class: "fl-fk-wish", hidden: true }, this.parameterName, this.parameter);
      this.again = dom.button("Read", () => this.readAgain(true), { hidden: true });
      this.parameter.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.readAgain(true); } });
      this.analyses = el("select", { class: "fl-fk-select", "aria-label": "Analyses of this run", title: "Other analyses of this run", hidden: true });
      this.analyses.addEventListener("change", () => context.openOther(this.analyses.value));
      this.files = controls.menu({ label: "Take away", title: "Copy or save this analysis", items: () => this.items() });
      this.legend = el("div", { class: "fl-fk-legend", role: "group", "aria-label": "Outcomes; press one to put it at the bottom" });
      this.root = el("div", { class: "fl-fk-tools" }, el("div", { class: "fl-fk-row" }, this.layout.root, this.mode.root, el("span", { class: "fl-grow" }), this.analyses, this.reading, this.asks, this.again, this.files.root),
        el("div", { class: "fl-fk-row fl-fk-quiet" }, this.jumps.root, this.changes.root, this.survival.root, this.drift.root));
    }

    select(label, choices, key, title) {
      const { view } = this.context;
      const id = dom.uid("fl-fk-wish");
      const box = el("select", { id, class: "fl-fk-select", title }, choices.map(([value, text]) => el("option", { value, text })));
      box.value = view.state[key];
      box.addEventListener("change", () => view.set({ [key]: box.value }));
      return { root: el("span", { class: "fl-fk-wish" }, el("label", { for: id, text: label }), box), box };
    }

    check(label, key, title) {
      const { view } = this.context;
      const box = el("input", { type: "checkbox", checked: view.state[key] });
      box.addEventListener("change", () => view.set({ [key]: box.checked }));
      return { root: el("label", { class: "fl-fk-wish fl-fk-check", title }, box, label), box };
    }

    update() {
      const { data } = this.context;
      const drawn = data.positions.length > 0;
      this.layout.set(this.context.layout);
      this.files.button.disabled = !drawn;
      this.reading.hidden = !data.uid || !drawn || data.running;
      this.showReadings();
      this.showLegend();
    }

    /** The analyses of the run, where there are several; the one on show is chosen. */
    showAnalyses(list) {
      const { data, ways } = this.context;
      const named = (name) => (ways.find((way) => way.name === name) || { label: name }).label;
      this.analyses.hidden = list.length < 2;
      this.analyses.replaceChildren(...list.map((one) => el("option", { value: one.uid, text: `${named(one.field)} · ${format.count(one.draws)} draws · ${format.date(one.created)}` })));
      this.analyses.value = data.uid;
    }

    showReadings() {
      const { data, ways } = this.context;
      if (!data.header || !data.header.extractor) return;
      const key = `${data.header.extractor}\n${data.header.parameter}\n${ways.length}`;
      if (this.readings === key) return;
      this.readings = key;
      const own = `${data.header.field}${data.header.parameter ? ` “${format.label(data.header.parameter)}”` : ""}`;
      this.reading.replaceChildren(el("option", { value: "", text: `read as: ${own}` }), ...ways.filter((way) => way.name !== data.header.extractor || way.parameter).map((way) => el("option", { value: way.name, text: way.label })));
      this.reading.value = "";
      for (const part of [this.asks, this.again]) part.hidden = true;
    }

    /** A reading that was refused: what was typed stays to be mended; without anything typed the picture's own is named. */
    refused() {
      const way = this.context.ways.find(({ name }) => name === this.reading.value);
      if (way && way.parameter) for (const part of [this.asks, this.again]) part.hidden = false;
      else this.reading.value = "";
    }

    /** Another reading at once, or, where it needs a word more, when that is there. */
    readAgain(told = false) {
      const way = this.context.ways.find(({ name }) => name === this.reading.value);
      const asks = Boolean(way && way.parameter) && !told;
      for (const part of [this.asks, this.again]) part.hidden = !asks;
      if (asks) {
        this.parameter.value = way.usual || "";
        this.parameterName.textContent = way.parameter;
        this.parameter.focus();
      } else if (way) this.context.readAgain(way.name, way.parameter ? this.parameter.value : "");
    }

    /** The key: outcomes with their share at the start; pressing one puts it at the bottom. */
    showLegend() {
      const { data, ground } = this.context;
      const held = this.legend.contains(document.activeElement) ? document.activeElement.dataset.label : undefined;
      const start = data.positions[0];
      const order = data.stacking(null).filter((k) => data.positions.some((row) => row.shares[k] >= 0.005) || (data.end && data.end.shares[k] >= 0.005));
      const lost = order.filter((k) => !data.answers.includes(data.labels[k]));
      const kept = order.filter((k) => !lost.includes(k));
      const chips = [...kept.slice(0, MOST), ...lost].map((k) => {
        const label = data.labels[k];
        const on = label === (ground ?? data.own);
        return el("button", { type: "button", class: "fl-fk-chip", "aria-pressed": String(on), data: { label }, title: "Put this outcome at the bottom, with its band", onclick: () => this.context.stand(label) },
          Forklore.forksWords.outcomeName(data, label), el("small", { text: start ? ` ${format.percent(start.shares[k], 0)}` : "" }));
      });
      if (kept.length > MOST) chips.splice(MOST, 0, el("span", { class: "fl-fk-chip fl-fk-still" }, el("i", { class: "fl-fk-swatch fl-fk-fill-6", "aria-hidden": "true" }), `${format.count(kept.length - MOST)} more outcomes`));
      if (data.positions.some((row) => row.kept < 0.995)) chips.push(el("span", { class: "fl-fk-chip fl-fk-still" }, el("i", { class: "fl-fk-swatch fl-fk-fill-unseen", "aria-hidden": "true" }), "unexplored, above the strip"));
      if (start && chips.length) chips.unshift(el("span", { class: "fl-fk-chip fl-fk-still", text: `before token ${format.count(start.t + 1)}:` }));
      this.legend.replaceChildren(...chips, ...this.marks());
      this.legend.hidden = !chips.length;
      if (held !== undefined) [...this.legend.children].find((node) => node.dataset.label === held)?.focus();
    }

    /** What the marks mean that are on. */
    marks() {
      const { data, view } = this.context;
      if (!data.said) return [];
      const { jumps, changes, survival, drift } = view.state;
      const found = data.said.changes;
      const words = [
        jumps && data.jumps(jumps).size ? "▾ jump, the token before it is to blame" : "",
        changes && data.changes().size ? "▮ change point, as high as it is probable" : "", changes && found && found.second.length ? "▵ second opinion (PELT)" : "",
        survival ? "╌ survival" : "", drift ? `┈ drift (${drift}), of ${format.number(forksCurve.DRIFTS[drift], 3)}` : "",
      ];
      return words.filter(Boolean).map((text) => el("span", { class: "fl-fk-chip fl-fk-still", text }));
    }

    // ---- taking away

    items() {
      const { context } = this;
      const { data } = context;
      const copied = async (rows, told) => context.say((await dom.copyText(format.tsv(rows))) ? told : "The browser did not allow copying.");
      return [
        { heading: "Copy" },
        { label: "Curve as TSV", hint: "a token a row, every outcome with its band", run: () => copied(data.curveRows(), "Curve copied.") },
        { label: "Branches as TSV", hint: "an alternative a row: draws, distance, influence, p", run: () => copied(data.branchRows(), "Branches copied.") },
        { heading: "Save" },
        { label: "Picture as SVG", run: () => this.save("svg") },
        { label: "Picture as PNG", run: () => this.save("png") },
        { label: "Curve as CSV", run: () => this.file("csv", "\ufeff" + format.csv(data.curveRows()), "text/csv;charset=utf-8") },
        { heading: "Raw draws, every continuation" },
        { label: "As JSONL", disabled: !data.uid, run: () => this.raw("jsonl") },
        { label: "As Parquet", disabled: !data.uid, run: () => this.raw("parquet") },
      ];
    }

    /** Asks for every draw as a file, its outcomes as they are read here. */
    raw(kind) {
      const { uid, header } = this.context.data;
      this.context.emit("forks_export", { uid, kind, field: header.extractor, parameter: header.parameter });
    }

    get name() {
      return `${dom.fileName(this.context.data.header.title, "run")}-forks`;
    }

    file(ending, content, type) {
      dom.download(`${this.name}.${ending}`, content, type);
      this.context.say(`Saved ${this.name}.${ending}.`);
    }

    async save(ending) {
      const picture = this.drawn();
      if (ending === "svg") this.file("svg", picture.text, "image/svg+xml");
      else this.file("png", await chart.toPng(picture), "image/png");
    }

    /** The whole curve on paper white, with title, key and facts. */
    drawn() {
      const { data } = this.context;
      const palette = forksCurve.PAPER;
      const { plan, pitch, height } = this.context.wide.plan(1000);
      const paint = forksCurve.paints(palette);
      const wanted = this.context.wishes();
      const text = (x, y, size, fill, words, more) => svg("text", { x, y, "font-size": size, "font-family": palette.sans, fill, text: words, ...more });
      let x = 16;
      const drawn = data.stacking(wanted.ground).filter((k) => data.hue(data.labels[k]) !== 6 && data.positions.some((row) => row.shares[k] >= 0.005));
      const key = drawn.map((k) => {
        const words = format.cut(format.label(data.written(data.labels[k])), 40);
        const node = svg("g", {}, svg("rect", { x, y: 86, width: 12, height: 12, fill: paint.fill(data.hue(data.labels[k])), stroke: palette.strong, "stroke-width": 0.5 }), text(x + 17, 96, 12, palette.ink, words));
        x += 34 + words.length * 6.8;
        return x < 990 ? node : null;
      });
      const title = format.label(data.header.title);
      const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width: 1000, height: height + HEAD, viewBox: `0 0 1000 ${height + HEAD}`, role: "img" }, svg("title", { text: title }), paint.defs,
        svg("rect", { width: 1000, height: height + HEAD, fill: palette.card }), text(16, 26, 15, palette.ink, format.cut(title, 110), { "font-weight": 600 }),
        ...wrapped(this.context.factsLine(), 165).map((line, i) => text(16, 44 + 14 * i, 11.5, palette.soft, line)), ...key.filter(Boolean),
        svg("g", { transform: `translate(0 ${HEAD - 20})` }, forksCurve.draw(data, plan, wanted, paint, palette), Forklore.forksAxis(data, plan, pitch, palette, wanted)));
      return { text: new XMLSerializer().serializeToString(root), width: 1000, height: height + HEAD };
    }
  }

  /** Hands an exported file to the browser's own saving; there is none where it could not be written. */
  Forklore.saveForks = (file) => {
    if (!file || !file.url) return [];
    const link = el("a", { href: file.url, download: file.orig_name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    return [];
  };

  Object.assign(Forklore, { ForksTools, forksWishes: wishes });
})();
