// Above the chain's picture: how many arcs, which hop, earlier traces, what can be taken away; and the key below it.
// Writes to the view; files come from what the browser holds.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, controls, chart, chainWords } = Forklore;
  const { el } = dom;

  class ChainTools {
    /** context: {data, count, limit, view changes: strength(n), hopTo(n), openOther(uid), say(text), text}. */
    constructor(context) {
      this.context = context;
      const id = dom.uid("fl-ch-strength");
      this.slider = el("input", { type: "range", id, class: "fl-slider", min: 0, max: 1, step: 1, title: "Only the strongest arcs stand; those of the chosen token always" });
      this.slider.addEventListener("input", () => context.strength(Number(this.slider.value)));
      this.output = el("output", { for: id, class: "fl-ch-output" });
      this.back = dom.button("◂", () => context.hopTo(context.limit - 1), { class: "fl-button fl-ch-step", title: "One hop less ([)", "aria-label": "One hop less" });
      this.on = dom.button("▸", () => context.hopTo(context.limit + 1), { class: "fl-button fl-ch-step", title: "One hop more (])", "aria-label": "One hop more" });
      this.hop = el("span", { class: "fl-ch-hop" });
      this.others = el("select", { class: "fl-ch-select", "aria-label": "Traces of this run", title: "Earlier traces of this run", hidden: true });
      this.others.addEventListener("change", () => context.openOther(this.others.value));
      this.files = controls.menu({ label: "Take away", title: "Copy or save this chain", items: () => this.items() });
      this.steps = el("span", { class: "fl-ch-steps", role: "group", "aria-label": "Hops shown" }, this.back, this.hop, this.on);
      this.root = el("div", { class: "fl-ch-row fl-ch-tools" }, this.steps, el("span", { class: "fl-ch-wish" }, el("label", { for: id, text: "Strength" }), this.slider, this.output), el("span", { class: "fl-grow" }), this.files.root);
      this.legend = this.key();
    }

    key() {
      this.high = el("span", { class: "fl-ch-soft" });
      const item = (name, text) => el("li", {}, el("span", { class: `fl-ch-sample ${name}`, "aria-hidden": "true", text: "word" }), text);
      const line = (name, text) => el("li", {}, el("span", { class: `fl-ch-stroke ${name}`, "aria-hidden": "true" }), text);
      return el("ul", { class: "fl-ch-legend", "aria-label": "Legend" }, el("li", {}, el("span", { text: "score 0" }), el("span", { class: "fl-ch-ramp", "aria-hidden": "true" }), this.high), item("fl-ch-kept", "in the chain, kept"), item("fl-ch-let", "not kept"), item("fl-ch-answer", "the answer"),
        line("fl-ch-stroke-down", "what the chosen token rests on, thicker = more weight"), line("fl-ch-stroke-up", "what rests on it"));
    }

    update() {
      const { data, count, limit } = this.context;
      const total = data.arcs.length;
      this.slider.max = String(Math.max(1, total));
      this.slider.value = String(count);
      this.slider.disabled = !total;
      const least = total && count ? data.arcs[Math.min(count, total) - 1].weight : null;
      this.output.textContent = !total ? (data.running ? "no arcs yet" : "no arcs") : count >= total ? `all ${format.count(total)} arcs` : `${format.count(count)} of ${format.count(total)} arcs${least === null ? "" : `, from ${format.number(least, 3)}`}`;
      this.slider.setAttribute("aria-valuetext", this.output.textContent);
      const all = limit >= data.hops;
      this.hop.textContent = !data.hops ? (data.running ? "no hops yet" : "no hops") : all ? (data.hops === 1 ? "the only hop" : `all ${format.count(data.hops)} hops`) : `hop ${format.count(limit)} of ${format.count(data.hops)}`;
      this.back.disabled = !data.hops || limit <= 1;
      this.on.disabled = !data.hops || all;
      this.files.button.disabled = !data.traced;
      this.high.textContent = data.rows.length ? format.number(data.largest, 3) : "most";
      this.showOthers();
    }

    showOthers() {
      const { data } = this.context;
      const list = data.header?.others || [];
      const unknown = data.uid && !list.some(({ uid }) => uid === data.uid);
      this.others.hidden = list.length < (unknown || !data.uid ? 1 : 2);
      const key = JSON.stringify([list, data.uid]);
      if (this.listed === key) return;
      this.listed = key;
      const options = list.map(({ uid, text, start, stop, created, how }) => el("option", { value: uid, text: [`‘${chainWords.brief(text, 20)}’, ${chainWords.range([start, stop])}`, how, format.date(created)].filter(Boolean).join(" · ") }));
      if (unknown || !data.uid) options.unshift(el("option", { value: "", text: unknown ? "this trace" : "earlier traces", disabled: true }));
      this.others.replaceChildren(...options);
      this.others.value = unknown ? "" : data.uid;
    }

    // ---- taking away

    items() {
      const { data } = this.context;
      const copied = async (rows, told) => this.context.say((await dom.copyText(format.tsv(rows))) ? told : "The browser did not allow copying.");
      const csv = (rows, what) => this.file(`-${what}.csv`, "\ufeff" + format.csv(rows), "text/csv;charset=utf-8");
      const none = !data.variants.length;
      return [
        { heading: "Copy" },
        { label: "Chain as TSV", hint: "a token a row: score, similarity, hop", run: () => copied(data.chainRows(), "Chain copied.") },
        { label: "Arcs as TSV", hint: "which token rests on which, with its weight", run: () => copied(data.arcRows(), "Arcs copied.") },
        { label: "Variants as TSV", disabled: none, run: () => copied(data.variantRows(), "Variants copied.") },
        { label: "Confidence as TSV", hint: "with its parts and the settings", disabled: !data.confidence, run: () => copied(data.confidenceRows(), "Confidence copied.") },
        { heading: "Save" },
        { label: "Chain as CSV", run: () => csv(data.chainRows(), "chain") },
        { label: "Arcs as CSV", run: () => csv(data.arcRows(), "arcs") },
        { label: "Variants as CSV", disabled: none, run: () => csv(data.variantRows(), "variants") },
        { label: "Picture as SVG", run: () => this.picture("svg") },
        { label: "Picture as PNG", run: () => this.picture("png") },
      ];
    }

    file(ending, content, type) {
      const name = `${dom.fileName(this.context.data.header.title, "run")}${ending}`;
      dom.download(name, content, type);
      this.context.say(`Saved ${name}.`);
    }

    async picture(ending) {
      const drawn = Forklore.chainPicture(this.context);
      if (ending === "svg") this.file("-chain.svg", drawn.text, "image/svg+xml");
      else this.file("-chain.png", await chart.toPng(drawn), "image/png");
    }
  }

  Forklore.ChainTools = ChainTools;
})();
