// Above the text: which score tints it, what the tint means, and how many tokens are marked.
// Writes only to the view's settings; does not touch tokens.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, controls } = Forklore;
  const { el } = dom;
  const MOST_MAIN = 5;

  class Toolbar {
    constructor(context) {
      this.context = context;
      this.names = "";
      this.scoreHost = el("div", { class: "fl-score-switch" });
      this.legend = el("div", { class: "fl-legend" });
      this.units = controls.segmented({
        label: "Unit", className: "fl-seg-small", value: context.view.state.bits ? "bits" : "nats", pick: (unit) => context.view.set({ bits: unit === "bits" }),
        choices: [{ value: "nats", label: "nats", title: "natural logarithms" }, { value: "bits", label: "bits", title: "logarithms to base 2: 1 nat is 1.443 bits" }],
      });
      this.ramps = controls.segmented({
        label: "Colour scale", className: "fl-seg-small", value: context.view.state.ramp, pick: (ramp) => context.view.set({ ramp }),
        choices: [{ value: "heat", label: "heat", title: "page colour to dark orange" }, { value: "cividis", label: "cividis", title: "made for all kinds of colour vision" }],
      });
      this.buildMarks();
      this.actions = el("div", { class: "fl-tool-actions" });
      this.root = el("div", { class: "fl-toolbar", role: "group", "aria-label": "How the text is coloured" },
        el("div", { class: "fl-tool-row" }, this.scoreHost, this.legend),
        el("div", { class: "fl-tool-row fl-tool-quiet" }, this.marks, this.units.root, this.ramps.root, this.actions));
    }

    buildMarks() {
      const { view } = this.context;
      const id = dom.uid("fl-share");
      this.slider = el("input", { type: "range", id, class: "fl-slider", min: 0, max: 50, step: 1, value: Math.round(view.state.share * 100) });
      this.marked = el("output", { class: "fl-marked", for: id });
      this.slider.addEventListener("input", () => view.set({ share: Number(this.slider.value) / 100 }));
      this.marks = el("div", { class: "fl-marks" }, el("label", { for: id, text: "Mark the top" }), this.slider, this.marked);
    }

    /** Draws everything again from the run's scores and the view's settings. */
    update() {
      const { trace, view } = this.context;
      const names = trace.scores.map((entry) => entry.name).join();
      if (names !== this.names) this.buildSwitch();
      this.names = names;
      this.root.hidden = !trace.scores.length;
      const entry = trace.score(view.state.score);
      if (!entry) return;
      this.showChoice(entry);
      this.units.root.classList.toggle("fl-off", !format.isNats(entry.unit));
      this.units.set(view.state.bits ? "bits" : "nats");
      this.ramps.set(view.state.ramp);
      this.ramps.root.classList.toggle("fl-off", scale.isClass(entry));
      this.showLegend(entry);
      this.showMarks(entry);
    }

    buildSwitch() {
      const { trace, view } = this.context;
      const main = trace.scores.filter((entry) => entry.group === "main").slice(0, MOST_MAIN);
      this.mainNames = new Set(main.map((entry) => entry.name));
      this.segments = controls.segmented({
        label: "Score", value: view.state.score, pick: (score) => view.set({ score }),
        choices: main.map((entry) => ({ value: entry.name, label: entry.label, title: entry.short })),
      });
      this.more = controls.menu({ label: "More", title: "All scores", className: "fl-seg-more", items: () => this.allScores() });
      this.scoreHost.replaceChildren(this.segments.root, this.more.root);
    }

    allScores() {
      const { trace, view } = this.context;
      const item = (entry) => ({ label: entry.label, hint: entry.short, checked: entry.name === view.state.score, run: () => view.set({ score: entry.name }) });
      const main = trace.scores.filter((entry) => entry.group === "main").map(item);
      const rest = trace.scores.filter((entry) => entry.group !== "main").map(item);
      return [{ heading: "Main scores" }, ...main, ...(rest.length ? [{ heading: "More scores" }, ...rest] : [])];
    }

    showChoice(entry) {
      this.segments.set(entry.name);
      const other = !this.mainNames.has(entry.name);
      this.more.button.textContent = other ? entry.label : "More";
      this.more.button.classList.toggle("fl-on", other);
    }

    showLegend(entry) {
      const { trace, view } = this.context;
      if (scale.isClass(entry)) {
        this.legend.replaceChildren(...(entry.classes || []).map((name, kind) => el("span", { class: "fl-class-key" }, el("i", { class: `fl-swatch fl-k${kind}` }), name)));
        return;
      }
      const [low, high] = scale.range(entry, typeof entry.high === "number" ? undefined : trace.largest(entry.name));
      const flag = entry.direction === "flag";
      const [cold, hot] = scale.inverted(entry.direction) ? [high, low] : [low, high];
      // a tint says no more than "this or beyond" where values of the run lie past the ramp's end
      const beyond = !flag && (hot === high ? trace.largest(entry.name) > high * (1 + 1e-9) : trace.sorted(entry.name)[0] < low);
      const end = (value, more = "", unit = "") => (flag ? (value ? "yes" : "no") : format.number(format.convert(value, entry.unit, view.state.bits), 2) + more + (unit && `\u00a0${format.unitName(unit, view.state.bits)}`));
      const hotEnd = beyond && hot === low ? `≤\u00a0${end(hot, "", entry.unit)}` : end(hot, beyond ? "+" : "", entry.unit);
      this.legend.replaceChildren(
        el("span", { class: "fl-legend-end", text: end(cold) }), el("i", { class: "fl-ramp-bar", "aria-hidden": "true", style: { background: scale.gradient(view.state.ramp) } }),
        el("span", { class: "fl-legend-end", text: hotEnd }), el("span", { class: "fl-legend-phrase", text: scale.phrase(entry.direction) }));
    }

    showMarks(entry) {
      const { view, trace, hot } = this.context;
      const count = hot.reduce((sum, on) => sum + on, 0);
      const share = Math.round(view.state.share * 100);
      if (document.activeElement !== this.slider) this.slider.value = String(share);
      const by = scale.isClass(entry) ? " by entropy" : "";
      this.slider.setAttribute("aria-valuetext", `${share} percent, ${count} tokens`);
      this.marked.textContent = trace.length ? `${share} %${by} · ${format.count(count)} marked` : `${share} %`;
    }
  }

  Forklore.Toolbar = Toolbar;
})();
