// The inspector beside the text: one token's scores, rivals and how it was drawn; or the figures of a span.
// Follows pin, pointer or cursor; does not decide which.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout } = Forklore;
  const { el } = dom;

  const DRAWN = [
    ["row", "Noise row", "which row of the seed's noise decided here"],
    ["margin", "Race margin", "lead over the runner-up with the noise counted in; below 0.001 another machine may differ"],
    ["runnerUp", "Runner-up", "what would have come had this token not been possible"],
    ["luck", "Luck", "the noise this token got; an unlikely token needs much of it to win"],
    ["support", "Choice", "tokens left after truncation"],
  ];

  class Inspector {
    constructor(context) {
      this.context = context;
      this.rivals = new Forklore.Rivals(context);
      this.branching = new Forklore.Branching(context);
      this.shown = -1;
      this.build();
    }

    build() {
      const { context } = this;
      this.piece = el("h3", { class: "fl-insp-piece", dir: "auto" });
      this.pin = dom.button("Pinned", () => context.letGo(), { class: "fl-insp-pin", hidden: true, title: "Let go (Esc)", "aria-label": "Unpin this token" });
      this.sub = el("p", { class: "fl-insp-sub" });
      this.span = el("div", { class: "fl-insp-span", hidden: true });
      this.main = el("tbody");
      this.more = el("tbody");
      this.moreName = el("summary");
      this.drawn = el("dl", { class: "fl-drawn" });
      this.drawnPart = el("details", { class: "fl-fold" }, el("summary", { text: "How it was drawn" }), this.drawn);
      this.morePart = el("details", { class: "fl-fold" }, this.moreName, el("table", { class: "fl-scores" }, this.more));
      this.copy = dom.button("Copy numbers", () => this.copyNumbers(), { class: "fl-link-button" });
      this.hint = el("p", { class: "fl-insp-hint" });
      this.body = el("div", { class: "fl-insp-body" },
        el("div", { class: "fl-insp-head" }, this.piece, this.pin), this.sub, this.span,
        el("table", { class: "fl-scores" }, this.main), this.rivals.root,
        this.branching.root, this.morePart, this.drawnPart, this.copy);
      this.root = el("aside", { class: "fl-inspector", "aria-label": "The chosen token" }, this.hint, this.body);
      this.clear();
    }

    clear() {
      this.shown = -1;
      this.body.hidden = true;
      this.hint.hidden = false;
      this.hint.textContent = this.context.trace.length
        ? "Move over a token to see what else the model could have said. Click, or press Enter, to keep it here."
        : "The token you choose appears here: its scores, its rivals and how it was drawn.";
    }

    /** Shows token i (-1: nothing); `force` draws again although the token is the same. */
    show(i, force) {
      const { trace, place } = this.context;
      if (i < 0 || !trace.tokens[i]) {
        if (this.shown >= 0 || force) this.clear();
        return;
      }
      this.pin.hidden = place.state.pinned !== i || place.state.soft;
      this.showSpan();
      if (this.shown === i && !force) return this.branching.update(i);
      const moved = this.shown !== i;
      this.shown = i;
      this.body.hidden = false;
      this.hint.hidden = true;
      this.showHead(i);
      this.showScores(i);
      if (moved || force === "data") this.rivals.show(i);
      this.showDrawn(i);
      this.branching.update(i);
    }

    showHead(i) {
      const { trace } = this.context;
      const token = trace.tokens[i];
      this.piece.replaceChildren(el("bdi", { text: trace.label(i) }));
      const rank = trace.rank(i);
      const parts = [`token ${format.count(i + 1)} of ${format.count(trace.length)}`, ...(trace.hasIds ? [`id ${token.id}`] : [])];
      if (rank !== null) parts.push(rank === 1 ? "the model's first choice" : `${format.count(rank - 1)} more likely`);
      if (token.c) parts.push("control token");
      else if (token.x) parts.push(`bytes ${token.x}`);
      this.sub.textContent = Forklore.dom.shown(parts.join(" · "));
    }

    showScores(i) {
      const { trace } = this.context;
      const rows = (group) => trace.scores.filter((entry) => (entry.group === "main") === group).map((entry) => readout.scoreRow(this.context, i, entry));
      this.main.replaceChildren(...rows(true));
      const others = rows(false);
      this.more.replaceChildren(...others);
      this.morePart.hidden = !others.length;
      this.moreName.textContent = `${others.length} more score${others.length === 1 ? "" : "s"}`;
    }

    showDrawn(i) {
      const { trace } = this.context;
      const draw = trace.draw(i);
      if (!draw) {
        this.drawn.replaceChildren(el("div", {}, el("dt", { text: "Given" }), el("dd", { text: "this token was not sampled: it stood in the text that was scored or imported" })));
        return;
      }
      const shown = {
        row: draw.row < 0 ? "forced" : format.count(draw.row),
        margin: draw.margin === null ? "no rival" : format.number(draw.margin, 3),
        runnerUp: draw.runnerUp === null || draw.runnerUp < 0 ? "none" : trace.word(draw.runnerUp, true),
        luck: format.number(draw.luck, 3),
        support: `${format.count(draw.support)} token${draw.support === 1 ? "" : "s"}`,
      };
      this.drawn.replaceChildren(...DRAWN.map(([key, label, meaning]) => el("div", {},
        el("dt", { text: label }), el("dd", {}, el("bdi", { class: "fl-drawn-value", text: shown[key] }), el("span", { text: meaning })))));
    }

    /** Mean, sum and highest of the main scores over a span of tokens. */
    showSpan() {
      const { trace, place, view } = this.context;
      const span = place.state.span;
      this.span.hidden = !span || span[0] === span[1];
      if (this.span.hidden) return;
      const [from, to] = span;
      const rows = trace.scores.filter((entry) => entry.group === "main").map((entry) => {
        const values = [];
        for (let i = from; i <= to; i += 1) if (trace.value(i, entry.name) !== null) values.push(trace.value(i, entry.name));
        const sum = values.reduce((a, b) => a + b, 0);
        const text = (value) => readout.valueText(trace, entry, values.length ? value : null, view.state.bits, false);
        return el("tr", {}, el("th", { scope: "row", text: entry.label }), ...[text(sum / values.length), /^nats/.test(entry.unit) ? text(sum) : "", text(Math.max(...values))].map((words) => el("td", { text: words })));
      });
      this.span.replaceChildren(
        el("p", { class: "fl-span-title", text: `Span of ${to - from + 1} tokens, ${from + 1} to ${to + 1}` }),
        el("table", { class: "fl-span-table" },
          el("thead", {}, el("tr", {}, el("td"), ...["mean", "sum", "highest"].map((h) => el("th", { scope: "col", text: h })))), el("tbody", {}, rows)));
    }

    /** Everything shown here as tab-separated text. */
    numbers(i) {
      const { trace } = this.context;
      const token = trace.tokens[i];
      const rows = [["token", i + 1], ["piece", token.t], ...(trace.hasIds ? [["id", token.id]] : [])];
      for (const entry of trace.scores) rows.push([entry.unit ? `${entry.name} (${entry.unit})` : entry.name, trace.value(i, entry.name)]);
      rows.push([], ["alternative", ...(trace.hasIds ? ["id"] : []), "model", "sampled from", "log-probability"]);
      const { rows: rivals, others } = trace.rivals(i);
      for (const row of rivals) rows.push([trace.words.get(row.id) ?? "", ...(trace.hasIds ? [row.id] : []), row.p, row.q, row.logprob]);
      rows.push(["all others", ...(trace.hasIds ? [null] : []), others.p, others.q, null]);
      return format.tsv(rows);
    }

    async copyNumbers() {
      const done = await dom.copyText(this.numbers(this.shown));
      this.context.say(done ? "Numbers copied." : "The browser did not allow copying.");
    }
  }

  Forklore.Inspector = Inspector;
})();
