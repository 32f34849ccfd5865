// The reference page: what every score means, generated from the registries, and how runs are recorded, in plain words.
// Knows the JSON of ui/methods_view.py; does not know runs, tokens or the server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, scale } = Forklore;
  const { el } = dom;

  const about = (page) => [
    ["Which distribution scores come from", "Scores describe the model’s own next-token distribution: the full vocabulary, temperature 1, before top-k or top-p; the one exception, CNTP trials, says so. "
      + "Tokens are drawn from a second, processed distribution: the logits divided by the temperature, then cut to top-k and top-p. Where the page shows the second one it says “sampled from”. "
      + "A low temperature therefore changes which tokens you see, never how uncertain the model is said to be at a given token."],
    ["How a draw is recorded", "A token is drawn by the Gumbel-Max rule: each candidate’s log-weight gets its own random Gumbel number and the largest sum wins. "
      + `The numbers come from a keyed generator (${page.noise}), one noise row for each token, so the seed and the row’s number make the same luck again on any machine. `
      + "Recorded with the token are its luck (the winner’s own Gumbel number), the runner-up, and the margin by which it lost: a small margin says that slightly different luck would have changed the word."],
    ["The end of the turn counts", "The control token that ends an answer is a token like any other: it is shown as a mark, has scores, and is counted in every score of a run. Where an answer was cut off at its length limit there is none."],
    ["What n/a means", "The value does not exist: a first token that nothing precedes has no distribution, and an imported run lacks whatever its API did not report. It is never shown as zero, "
      + "and a score of a whole run is n/a as soon as one of the values it needs is missing; only such a first token is left out instead."],
    ["Imported runs have bounds", `An API names only a few alternatives for each token, at most ${page.alternatives} as a rule. The entropy is then known only between two bounds: the lower one stands in the entropy’s place, `
      + "the upper one is a score of its own, and scores that need the whole distribution are n/a."],
  ];

  const GROUPS = [
    { key: "token", extra: "bounds", title: "Token scores", text: "One value for each token. The first few stand in the switch above the text, all of them under “More”." },
    { key: "run", title: "Run scores", text: "One value for a whole answer, from its token scores alone." },
    { key: "forking", title: "Forking analysis", text: "What the Forks tab says of an answer, its tokens and their alternatives." },
    { key: "chain", title: "Attention chain", text: "What the Chain tab says of an answer: which earlier tokens it rests on, and what others in their place do to it." },
    { key: "session", title: "People’s labels", text: "What the results of an annotation session say: how far annotators agree, and which score agrees with them." },
  ];

  // groups of quantities rather than scores: they colour nothing
  const ANALYSES = new Set(["forking", "chain", "session"]);
  const open = (value) => typeof value !== "number";
  const plain = (value) => String(Number(value.toPrecision(4))).replace("-", "−");
  /** The ends of a range in words; an open end is said to be open. */
  function interval(entry) {
    const unit = entry.unit ? `\u00a0${entry.unit}` : "";
    if (open(entry.low) && open(entry.high)) return "open";
    if (open(entry.high)) return `${plain(entry.low)}${unit} to the largest of the run`;
    if (open(entry.low)) return `up to ${plain(entry.high)}${unit}`;
    return `${plain(entry.low)} to ${plain(entry.high)}${unit}`;
  }

  const fact = (name, value, className) => (value ? [el("dt", { text: name }), el("dd", { class: className, text: value })] : []);

  function facts(entry, group, labels) {
    const needs = (entry.needs || []).map((name) => labels.get(name) || (name === "topk" ? "the alternatives" : name)).join(", ");
    return el("dl", { class: "fl-method-facts" },
      entry.direction ? fact("Direction", scale.phrase(entry.direction)) : [],
      fact("Classes", (entry.classes || []).join(", ")),
      fact("Range", entry.range || (ANALYSES.has(group) && !(open(entry.low) && open(entry.high)) ? interval(entry) : "")),
      scale.isClass(entry) || ANALYSES.has(group) ? [] : fact(group === "token" ? "Colours" : "Usual range", group === "token" ? interval(entry) : interval(entry).replace("to the largest of the run", "and above")),
      fact("Follows from", needs),
      entry.over_run ? fact("Known", "once the run has ended: it compares with the whole run") : [],
      fact("Mind", entry.caveat),
      fact("Source", entry.reference, "fl-method-source"));
  }

  function card(entry, group, labels, imported) {
    const id = `score-${entry.name}`;
    const name = `${id}-name`;
    const search = [entry.name, entry.label, entry.symbol, entry.short, entry.definition, entry.caveat, entry.reference].join("\n").toLowerCase();
    const node = el("article", { class: "fl-method", id, tabindex: "-1", "aria-labelledby": name },
      el("header", { class: "fl-method-head" },
        el("h4", { id: name }, el("a", { href: `#${id}`, class: "fl-method-anchor", text: entry.label, title: "Link to this score" })),
        el("span", { class: "fl-method-symbol", text: entry.symbol }),
        el("span", { class: "fl-method-unit", text: entry.unit || "no unit" }),
        imported ? el("span", { class: "fl-method-tag", text: "imported runs only" }) : null),
      el("p", { class: "fl-method-short", text: entry.short }),
      el("p", { class: "fl-method-formula", text: entry.definition }),
      facts(entry, group, labels));
    return { node, search, link: el("li", {}, el("a", { href: `#${id}`, text: entry.label })) };
  }

  class Reference {
    constructor(host, page) {
      this.host = host;
      const labels = new Map([...page.token, ...page.bounds].map((entry) => [entry.name, entry.label]));
      this.groups = GROUPS.map((group) => this.group(group, page, labels));
      const id = dom.uid("fl-method-search");
      this.input = el("input", { type: "search", id, class: "fl-method-input", placeholder: "entropy, Levy, margin …", autocomplete: "off", spellcheck: "false" });
      this.input.addEventListener("input", () => this.filter());
      this.input.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.input.value) { event.stopPropagation(); this.input.value = ""; this.filter(); } });
      this.found = el("span", { class: "fl-method-found", role: "status" });
      this.none = el("p", { class: "fl-method-none", hidden: true, text: "No score matches. Try part of a name, a symbol or an author." });
      host.addEventListener("click", (event) => this.follow(event));
      host.replaceChildren(this.explainer(page),
        el("div", { class: "fl-method-bar", role: "search" }, el("label", { for: id, text: "Find a score" }), this.input, this.found),
        el("div", { class: "fl-method-body" },
          el("nav", { class: "fl-method-index", "aria-label": "Scores" }, this.groups.map((group) => group.index)),
          el("div", { class: "fl-method-list" }, this.none, this.groups.map((group) => group.section))));
      this.filter();
      this.go(location.hash);
    }

    explainer(page) {
      return el("section", { class: "fl-method-about", "aria-label": "How to read the scores" },
        el("h2", { text: "What is measured, and how" }),
        el("div", { class: "fl-method-notes" }, about(page).map(([title, text]) => el("div", {}, el("h3", { text: title }), el("p", { text })))));
    }

    group(group, page, labels) {
      const cards = page[group.key].map((entry) => card(entry, group.key, labels, false));
      if (group.extra) cards.push(...page[group.extra].map((entry) => card(entry, group.key, labels, true)));
      const title = dom.uid("fl-method-group");
      return {
        cards,
        index: el("div", { class: "fl-method-index-group" }, el("p", { text: group.title }), el("ul", {}, cards.map((item) => item.link))),
        section: el("section", { "aria-labelledby": title }, el("h3", { id: title, class: "fl-method-group", text: group.title }),
          el("p", { class: "fl-method-lead", text: group.text }), cards.map((item) => item.node)),
      };
    }

    /** Shows what holds every word that was typed. */
    filter() {
      const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let [shown, all] = [0, 0];
      for (const group of this.groups) {
        let some = 0;
        for (const item of group.cards) {
          const fits = words.every((word) => item.search.includes(word));
          item.node.hidden = item.link.hidden = !fits;
          some += fits;
        }
        group.section.hidden = group.index.hidden = !some;
        shown += some;
        all += group.cards.length;
      }
      this.none.hidden = shown > 0;
      this.found.textContent = words.length ? `${shown} of ${all}` : `${all} entries`;
    }

    follow(event) {
      const link = event.target instanceof Element ? event.target.closest('a[href^="#score-"]') : null;
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.replaceState(history.state, "", link.getAttribute("href"));
      this.go(link.getAttribute("href"));
    }

    /** Brings the entry named by "#score-NAME" to the reader; does nothing for other anchors. */
    go(hash) {
      if (!/^#score-\w+$/.test(hash || "")) return;
      const node = this.groups.flatMap((group) => group.cards).map((item) => item.node).find((item) => `#${item.id}` === hash);
      if (!node) return;
      if (node.hidden) { this.input.value = ""; this.filter(); }
      node.scrollIntoView({ block: "start", behavior: dom.calm() ? "auto" : "smooth" });
      node.focus({ preventScroll: true });
    }
  }

  Forklore.mountMethods = ({ element, props, watch }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-methods");
    let said = null;
    let reference = null;
    const draw = () => {
      if (props.value === said) return;
      said = props.value;
      root.replaceChildren();
      if (said) reference = new Reference(root, JSON.parse(said));
    };
    addEventListener("hashchange", () => reference && root.isConnected && reference.go(location.hash));
    watch("value", draw);
    draw();
  };
})();
