// Above the tree: how it is drawn and tinted, what is hidden, the way back from a hoisted node, and a growth under way.
// Changes the view through the piece; does not draw the tree.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, controls } = Forklore;
  const { el } = dom;
  const STEPS = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
  const MOST_NATS = 4;
  const LEAST_LIKELY = -Math.log(0.005); // where the probability's tint ends; it follows the logarithm, or all alternatives would glow alike
  const SHARES = 8; // steps of the share's tint, three decades
  const COLOURS = [["probability", "Probability"], ["entropy", "Entropy of what follows"], ["share", "Share at the fork"], ["none", "No colour"]];

  /** Class of a token's tint under one of COLOURS; "" where there is no number. */
  function tintOf(name, data, shape, node) {
    const heat = (share) => { const level = scale.level(share); return level ? `fl-h${level}` : ""; };
    if (name === "entropy") return data.entropy(node) === null ? "fl-tr-open" : heat(Math.min(1, data.entropy(node) / MOST_NATS));
    if (data.parent(node) < 0 || name === "none") return "";
    if (name === "probability") return heat(Math.min(1, -Math.log(Math.max(data.probability(node), 1e-9)) / LEAST_LIKELY));
    if (Forklore.treeWords.shareless(data, shape, node)) return "";
    const level = Math.round(SHARES * (1 + Math.log10(Math.max(shape.share[node], 1e-9)) / 3));
    return level > 0 ? `fl-tr-s${level}` : "";
  }

  // From the card's own colour to a blue on which the page's ink stays readable.
  const BLUES = { light: [[255, 255, 255], [148, 180, 222]], dark: [[26, 28, 31], [50, 84, 134]] };
  const blue = (theme, share) => BLUES[theme][0].map((channel, k) => Math.round(channel + (BLUES[theme][1][k] - channel) * share));

  /** Adds the tints of shares once: .fl-tr-s1 ... .fl-tr-s8 and the colours of their legend. */
  function install() {
    const rules = Object.keys(BLUES).flatMap((theme) => Array.from({ length: SHARES }, (_, i) => {
      const colour = `rgb(${blue(theme, (i + 1) / SHARES).join(" ")})`;
      return `${theme === "dark" ? "body.dark" : "body"} .fl-tree{--fl-tr-share-${i + 1}:${colour}} ${theme === "dark" ? "body.dark" : "body"} .fl-tr-s${i + 1}{--fl-tint:${colour};--fl-on-tint:var(--fl-ink)}`;
    }));
    document.head.append(el("style", { id: "forklore-shares", text: rules.join("\n") }));
  }
  /** The colour on paper of a class that tintOf gave; null for no tint. */
  function paperOf(tint) {
    const [, kind, level] = /^fl-(h|tr-s)(\d+)$/.exec(tint) || [];
    if (!kind) return null;
    return kind === "h" ? scale.color("heat", false, Number(level) / scale.LEVELS) : blue("light", Number(level) / SHARES);
  }

  function legendOf(name) {
    const bar = (background) => el("i", { class: "fl-tr-ramp", "aria-hidden": "true", style: { background } });
    const ends = { probability: ["100\u00a0%", "≤\u00a00.5\u00a0%", "darker = less likely here"], entropy: ["0", `${MOST_NATS}+\u00a0nats`, "darker = less certain what follows; dashed = not looked into"], share: ["≤\u00a00.1\u00a0%", "100\u00a0%", "darker = larger share, in powers of ten; runs and written tokens have no colour"] }[name];
    if (!ends) return [];
    const ramp = name === "share" ? `linear-gradient(90deg, ${Array.from({ length: SHARES }, (_, i) => `var(--fl-tr-share-${i + 1})`).join(", ")})` : scale.gradient("heat");
    return [el("span", { text: ends[0] }), bar(ramp), el("span", { text: `${ends[1]}, ${ends[2]}` })];
  }

  class TreeTools {
    constructor(context) {
      this.context = context;
      const { view } = context;
      this.mode = controls.segmented({
        label: "How the tree is drawn", value: view.state.mode, pick: (mode) => view.set({ mode }),
        choices: [{ value: "chips", label: "Text", title: "lines of text, alternatives below their fork" }, { value: "icicle", label: "Icicle", title: "one column a token, height = probability" }],
      });
      const colour = dom.uid("fl-tr-colour");
      this.colour = el("select", { id: colour, class: "fl-tr-select", onchange: () => view.set({ colour: this.colour.value }) }, COLOURS.map(([value, text]) => el("option", { value, text })));
      this.legend = el("div", { class: "fl-tr-legend" });
      this.buildPrune();
      const together = dom.uid("fl-tr-together");
      this.together = el("input", { type: "checkbox", id: together, onchange: () => context.step({ collapse: this.together.checked, opened: new Set() }) });
      this.undo = dom.button("Undo", () => context.travel(-1), { title: "Take back the last step of the view, mark, written words or removal (u)" });
      this.redo = dom.button("Redo", () => context.travel(1), { title: "Do again what was taken back (Shift+U)" });
      this.tags = controls.menu({ label: "Tags", title: "Go to the next token with a tag", items: () => this.tagItems() });
      this.save = controls.menu({ label: "Save", title: "Save or load this tree", items: () => context.fileItems() });
      this.help = dom.button("?", () => context.toggleHelp(), { class: "fl-button fl-tr-help-button", title: "Keys", "aria-label": "Keys of the tree", "aria-expanded": "false" });
      this.crumbs = el("nav", { class: "fl-tr-crumbs", "aria-label": "Hoisted from", hidden: true });
      this.none = el("span", {});
      this.showAll = dom.button("", () => { this.slider.focus({ preventScroll: true }); context.step({ prune: 0, kept: new Set() }); }, { class: "fl-button fl-tr-show-all" });
      this.hidden = el("span", { class: "fl-tr-hidden" }, this.none, this.showAll);
      this.icicleSaid = el("div", { class: "fl-tr-quiet" });
      this.runs = el("div", { class: "fl-tr-row fl-tr-runs", role: "group", "aria-label": "Runs in this tree", hidden: true });
      this.root = el("div", { class: "fl-tr-tools" },
        el("div", { class: "fl-tr-row" }, this.mode.root, el("label", { for: colour, text: "Colour" }), this.colour, this.legend, el("span", { class: "fl-tr-actions" }, this.tags.root, this.undo, this.redo, this.save.root, this.help)),
        el("div", { class: "fl-tr-row fl-tr-quiet" }, this.prunePart, el("span", { class: "fl-tr-check" }, this.together, el("label", { for: together, text: "Draw long chains together" })), this.hidden),
        this.icicleSaid, this.runs, this.crumbs);
    }

    buildPrune() {
      const id = dom.uid("fl-tr-prune");
      this.slider = el("input", { type: "range", id, class: "fl-tr-slider", min: 0, max: STEPS.length - 1, step: 1 });
      this.pruneSaid = el("output", { for: id });
      this.slider.addEventListener("input", () => {
        this.context.step({ prune: STEPS[Number(this.slider.value)], kept: new Set() }, this.dragging);
        this.dragging = true;
      });
      this.slider.addEventListener("change", () => { this.dragging = false; });
      this.prunePart = el("span", { class: "fl-tr-prune" }, el("label", { for: id, text: "Prune below" }), this.slider, this.pruneSaid);
    }

    update() {
      const { data, shape, view } = this.context;
      const { prune, collapse } = shape.state;
      this.mode.set(view.state.mode);
      if (this.colour.value !== view.state.colour) this.colour.value = view.state.colour;
      if (this.legendOf !== view.state.colour) this.legend.replaceChildren(...legendOf((this.legendOf = view.state.colour)));
      const at = STEPS.findIndex((step) => step >= prune - 1e-12);
      this.slider.value = String(at < 0 ? STEPS.length - 1 : at);
      const word = prune ? format.percent(prune, prune < 0.01 ? 1 : 0) : "nothing";
      this.pruneSaid.textContent = word;
      this.slider.setAttribute("aria-valuetext", prune ? `branches whose share is below ${word}` : "nothing is hidden");
      this.sayHidden(word);
      this.together.checked = collapse;
      this.undo.disabled = !shape.past.length;
      this.redo.disabled = !shape.future.length;
      this.tags.root.hidden = !data.marks.tags.size;
      const icicle = view.state.mode === "icicle";
      this.icicleSaid.hidden = !icicle;
      this.icicleSaid.textContent = icicle && data.size && !this.context.icicle.has(shape.state.selected) ? "Height = probability. The chosen token is too thin to be seen from here: hoist one shortly before it (H)." : "Height = probability, hatched = not in the tree or hidden.";
      this.drawCrumbs();
      this.drawRuns();
    }

    tagItems() {
      return this.context.data.tagged().map(({ tag, nodes }) => ({ label: tag, hint: `${format.count(nodes.length)} ${nodes.length === 1 ? "token" : "tokens"}`, run: () => this.context.goToNext(nodes) }));
    }

    /** How much pruning hides, with the way to all of it. */
    sayHidden(least) {
      const { data, shape } = this.context;
      const { nodes, branches } = shape.hidden;
      this.none.hidden = nodes > 0;
      this.none.textContent = nodes ? "" : `${format.count(data.size)} tokens, none hidden`;
      this.showAll.hidden = !nodes;
      this.showAll.textContent = nodes ? `${format.count(nodes)} ${nodes === 1 ? "token is" : "tokens are"} hidden below ${least}: show` : "";
      this.showAll.title = `${format.count(branches)} ${branches === 1 ? "branch" : "branches"} with a smaller share, the probability since a branch left the nearest run. Tokens of runs, bookmarks, notes, tags, your own words and the first leaves of a growth always stay.`;
    }

    /** The runs of the tree by name: a press goes to where a run leaves the one on show. */
    drawRuns() {
      const { data } = this.context;
      if (this.runsOf === data.runs) return;
      this.runsOf = data.runs;
      const runs = data.runs.filter((run) => data.has(run.end));
      this.runs.hidden = runs.length < 2;
      this.runs.replaceChildren(el("span", { text: "Runs" }), ...runs.map((run) => {
        const name = format.label(run.title || "Untitled run");
        const luck = run.luck === "same" || run.luck === "fresh" ? `${run.luck} luck` : "";
        return el("button", { type: "button", class: `fl-tr-tag${run.current ? " fl-tr-current" : ""}`, title: run.current ? "The run on show" : "Go to where this run leaves the one on show", onclick: () => this.context.pick(run.current ? data.runPath[0] ?? 0 : data.leaving(run), "key") },
          el("bdi", { text: format.cut(name, 36) }), luck ? el("small", { text: luck }) : null);
      }));
    }

    drawCrumbs() {
      const { data, shape } = this.context;
      const { root, trail } = shape.state;
      this.crumbs.hidden = root === 0;
      if (root === 0) { this.crumbs.replaceChildren(); return; }
      const step = (node, i) => dom.button(node === 0 ? "Whole tree" : data.label(node), () => this.context.back(i), { class: "fl-tr-crumb", "aria-label": node === 0 ? "Back to the whole tree" : `Back to ${data.label(node)}` });
      const gone = data.pathText(data.path(root).slice(0, -1)).replace(/\s+/g, " ");
      const chars = [...gone];
      this.crumbs.replaceChildren(...trail.flatMap((node, i) => [step(node, i), el("span", { class: "fl-tr-slash", "aria-hidden": "true", text: "›" })]),
        el("span", { class: "fl-tr-gone", dir: "auto", text: chars.length > 60 ? `…${chars.slice(-60).join("")}` : gone }), el("b", { "aria-current": "true", dir: "auto", text: data.label(root) }));
    }
  }

  Forklore.TreeTools = TreeTools;
  Forklore.treeTint = { tintOf, paperOf, STEPS };
  install();
})();
