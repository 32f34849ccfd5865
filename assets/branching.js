// The "what if" form beside a token: what shall stand there instead, with which luck, and what else shall change.
// Collects a wish and tells the page; what comes of it is decided there.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, controls } = Forklore;
  const { el } = dom;
  const PATIENCE = 2500; // milliseconds until an unanswered wish may be sent again
  const FIELDS = [
    ["temperature", "Temperature", { min: "0", max: "2", step: "0.05" }], ["top_p", "Top-p", { min: "0.01", max: "1", step: "0.01" }],
    ["top_k", "Top-k", { min: "0", step: "1" }],
  ];
  const OPERATIONS = [
    { value: "replace", label: "Replace" }, { value: "insert", label: "Insert before" }, { value: "delete", label: "Leave out" },
  ];

  const quoted = (text) => `“${format.label(text, true)}”`;

  class Branching {
    constructor(context) {
      this.context = context;
      this.index = -1;
      this.on = false;
      this.root = el("div", { class: "fl-inspector-actions fl-br" });
      this.build();
      this.close();
    }

    build() {
      this.open = dom.button("What if…", () => this.start(this.context.inspector.shown), { title: "Write something else here and see what would have followed (w)" });
      const trace = this.context.props.chain && dom.button("Attention chain", () => this.toChain(), { title: "See which earlier tokens the answer rests on" });
      this.offer = el("div", { class: "fl-br-offer" }, this.open, trace);
      this.lead = el("p", { class: "fl-br-lead" });
      this.text = el("textarea", { class: "fl-br-text", rows: "1", spellcheck: "false", "aria-label": "What shall stand there", oninput: () => { this.touched = true; this.keepSpace(); this.hints(); } });
      this.hint = el("p", { class: "fl-br-hint" });
      this.operation = controls.segmented({ label: "What to do here", choices: OPERATIONS, value: "replace", pick: (value) => this.operate(value), className: "fl-seg-small" });
      this.luckRow = el("div", { class: "fl-br-row" });
      this.more = Forklore.branchSettings(this.context, FIELDS, () => this.hints());
      this.list = el("ul", { class: "fl-br-edits", "aria-label": "Edits to be made together" });
      this.problem = el("p", { class: "fl-br-problem", role: "alert" });
      this.write = dom.button("Write it", () => this.send(), { class: "fl-button fl-br-go", title: "Enter" });
      this.another = dom.button("Add another edit", () => this.add(), { class: "fl-link-button", title: "Keep this edit and choose another token for the next" });
      this.form = el("div", { class: "fl-br-form", role: "group", "aria-label": "What if", onkeydown: (event) => this.key(event) },
        this.lead, this.operation.root, this.text, this.hint, this.luckRow, this.more.root, this.list, this.problem,
        el("div", { class: "fl-br-acts" }, this.write, dom.button("Cancel", () => this.cancel(), { title: "Esc" }), this.another));
      this.ask = dom.button("Score this text here", () => this.context.emit("score_here", {}), { class: "fl-button fl-br-go" });
      this.elsewhere = el("div", { class: "fl-br-form", onkeydown: (event) => this.key(event) },
        el("p", { text: "This text was written elsewhere. Score it with the loaded model first: then its luck can be inferred, and the text changed." }),
        el("div", { class: "fl-br-acts" }, this.ask, dom.button("Cancel", () => this.cancel(), { title: "Esc" })));
      this.root.append(this.offer);
    }

    toChain() {
      const { tabs } = this.context;
      tabs.select("chain");
      tabs.strip.scrollIntoView({ block: "nearest" });
    }

    /** Whether somebody listens and the run can be changed at all. */
    get able() {
      const { props, trace } = this.context;
      return Boolean(props.branches) && trace.stored && trace.length > 0;
    }

    /** Follows the inspector to token i. */
    update(i) {
      this.root.hidden = !this.able || i < 0;
      if (this.root.hidden) return;
      // a pointer passing by must not change what the edit is about
      if (this.on && i !== this.index && i === this.context.place.state.pinned) this.aim(i, null);
      else if (this.on) this.span();
    }

    /** Opens the form at token i; `rival` is the alternative that shall stand there, if one was chosen. */
    start(i, rival) {
      if (!this.able) return;
      const { trace, place } = this.context;
      // what is edited must not move away under the pointer
      if (place.state.pinned !== i || place.state.soft) this.context.place.set({ pinned: i, soft: false });
      this.on = true;
      this.offer.hidden = true;
      this.form.hidden = trace.elsewhere;
      this.elsewhere.hidden = !trace.elsewhere;
      // only what is on show is part of the page: its labels are those of the page's own fields
      this.root.replaceChildren(this.offer, trace.elsewhere ? this.elsewhere : this.form);
      if (trace.elsewhere) return this.ask.focus({ preventScroll: true });
      this.chooseLuck();
      this.touched = false;
      this.operate("replace");
      this.aim(i, rival || null);
      this.typed = this.text.value;
      this.text.focus({ preventScroll: true });
      this.text.select();
      this.form.scrollIntoView({ block: "nearest" });
    }

    /** Words typed over the whole of a token that began with a space begin with one, too; it can be taken away. */
    keepSpace() {
      const [before, now] = [this.typed || "", this.text.value];
      if (/^ /.test(before) && now.length === 1 && /^[\p{L}\p{N}]$/u.test(now) && before.length !== 2) this.text.value = ` ${now}`;
      this.typed = this.text.value;
    }

    /** Same luck where it is on record, inferred luck where it is not; fresh luck always. */
    chooseLuck() {
      const known = this.context.trace.hasLuck;
      this.luck = "same";
      const choices = [
        { value: "same", label: known ? "Same luck" : "Inferred luck", title: known ? "A counterfactual: every place keeps the luck it had" : "Hindsight: luck under which exactly this text would have been written" },
        { value: "fresh", label: "Fresh luck", title: "Resampled: what follows is drawn with other luck" },
      ];
      const chosen = controls.segmented({ label: "Luck of what follows", choices, value: "same", pick: (value) => { this.luck = value; }, className: "fl-seg-small" });
      const about = Forklore.luckHelp(known);
      const settings = this.context.trace.header.settings;
      const greedy = settings && settings.temperature === 0 ? el("p", { class: "fl-br-hint", text: "At temperature 0 luck plays no part: both write the same." }) : null;
      this.luckRow.replaceChildren(chosen.root, about.button, ...(greedy ? [greedy] : []), about.body);
    }

    operate(value) {
      this.doing = value;
      this.operation.set(value);
      this.text.hidden = value === "delete";
      this.aimed = null;
      this.span();
    }

    /** Points the form at token i; what a person has typed stays. */
    aim(i, rival) {
      const { trace } = this.context;
      this.index = i;
      this.aimed = null;
      if (rival || !this.touched) {
        this.rival = rival;
        this.touched = false;
        this.text.value = rival ? trace.words.get(rival.id) ?? "" : "";
      }
      this.problem.textContent = "";
      this.span();
    }

    /** The tokens that the edit is about: the chosen span where the token lies in it, otherwise the token. */
    range() {
      const { span } = this.context.place.state;
      return span && span[0] <= this.index && this.index <= span[1] ? [span[0], span[1] + 1] : [this.index, this.index + 1];
    }

    span() {
      const { trace } = this.context;
      const [from, to] = this.range();
      if (!trace.tokens[from] || this.aimed === `${from}-${to}`) return;
      this.aimed = `${from}-${to}`;
      const all = trace.tokens.slice(from, to).map((token) => token.t).join("");
      const what = el("bdi", { class: "fl-br-quote", text: to - from === 1 ? `“${trace.label(from, true)}”` : quoted(format.cut(all, 60)) });
      const many = to - from > 1 && this.doing !== "insert" ? ` (${to - from} tokens)` : "";
      const words = { replace: ["Instead of ", " write"], insert: ["Before ", " write"], delete: ["Leave out ", ""] }[this.doing];
      this.lead.replaceChildren(words[0], what, many + words[1]);
      this.text.placeholder = this.doing === "insert" ? "text to insert" : "anything else";
      this.hints();
    }

    /** Says what is easily overlooked: the space in front belongs to a token. */
    hints() {
      const { trace } = this.context;
      const token = trace.tokens[this.range()[0]];
      const typed = this.text.value;
      const spaced = token && /^ /.test(token.t);
      const joins = this.doing !== "delete" && spaced && /^[\p{L}\p{N}]/u.test(typed);
      this.hint.textContent = joins ? "Without a space in front it joins the word before it." : /^ /.test(typed) && this.doing !== "delete" ? "With the space in front." : "";
      this.hint.hidden = !this.hint.textContent;
      this.text.style.height = "auto";
      if (this.text.scrollHeight) this.text.style.height = `${this.text.scrollHeight + 2}px`;
      this.problem.textContent = "";
    }

    /** The edit that the form describes; null when it changes nothing. */
    edit() {
      const { trace } = this.context;
      const [from, to] = this.range();
      const typed = this.text.value;
      const stop = this.doing === "insert" ? from : to;
      const was = trace.tokens.slice(from, to).map((token) => token.t).join("");
      if (this.doing === "delete") return { start: from, stop, ids: [] };
      if (this.rival && !this.touched) return { start: from, stop, ids: [this.rival.id] };
      if (!typed || (this.doing === "replace" && typed === was)) return null;
      return { start: from, stop, text: typed };
    }

    /** Keeps the edit and waits for the next token to be chosen. */
    add() {
      const edit = this.edit();
      if (!edit) return this.refuse("Say first what shall stand here.");
      if (!this.keep(edit)) return;
      this.touched = false;
      this.rival = null;
      this.text.value = "";
      this.hints();
      this.context.say("Edit kept. Choose the next token.");
      this.problem.textContent = "";
      this.hint.hidden = false;
      this.hint.textContent = "Kept. Now choose the next token in the text.";
    }

    /** Takes an edit into the list unless it touches one that is there. */
    keep(edit) {
      const clash = this.edits.find((other) => (edit.start < other.stop && other.start < edit.stop) || (edit.start === other.start && edit.stop === other.stop));
      if (clash) {
        this.refuse(`This overlaps the edit at token ${clash.start + 1}: make them one edit.`);
        return false;
      }
      this.edits = [...this.edits, edit].sort((a, b) => a.start - b.start);
      this.listEdits();
      return true;
    }

    listEdits() {
      const { trace } = this.context;
      this.list.hidden = !this.edits.length;
      this.list.replaceChildren(...this.edits.map((edit) => {
        const words = describe(trace, edit);
        return el("li", {}, el("bdi", { text: words }), dom.button("×", () => { this.edits = this.edits.filter((other) => other !== edit); this.listEdits(); this.write.focus(); }, { class: "fl-link-button", "aria-label": `Drop the edit: ${words}` }));
      }));
    }

    refuse(words) {
      this.problem.textContent = Forklore.dom.shown(words);
      this.text.focus({ preventScroll: true });
    }

    send() {
      const { context } = this;
      const edit = this.edit();
      const problem = this.more.problem();
      if (problem) return this.refuse(problem);
      const changes = this.more.changes();
      if (!edit && !this.edits.length && !Object.keys(changes).length) return this.refuse("Nothing is changed yet: write something else, or change a setting.");
      const kept = this.edits;
      if (edit && !this.keep(edit)) return;
      const edits = this.edits;
      this.edits = kept;
      this.listEdits();
      context.awaiting = true;
      const first = !edits.length && this.more.holds() ? { first: this.range()[0] } : {};
      context.emit("branch_ask", { edits, luck: this.luck, alignment: this.more.alignment(), changes, draw: null, ...first });
      context.say("Asked for what would have been written.");
      this.write.disabled = true;
      setTimeout(() => { this.write.disabled = false; }, PATIENCE);
    }

    key(event) {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") this.cancel();
      else if (event.key === "Enter" && !event.shiftKey && event.target === this.text) this.send();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    cancel() {
      this.close();
      const { rivals } = this.context.inspector;
      (rivals.at >= 0 ? rivals.box : this.open).focus({ preventScroll: true });
    }

    /** Puts the form away with all that was in it. */
    close() {
      this.on = false;
      this.edits = [];
      this.touched = false;
      this.rival = null;
      this.aimed = null;
      this.index = -1;
      this.text.value = "";
      this.offer.hidden = false;
      this.form.hidden = true;
      this.elsewhere.hidden = true;
      this.root.replaceChildren(this.offer);
      this.listEdits();
      this.more.reset();
    }
  }

  /** One edit in words: “token 12: “ 17” → “ 19””. */
  function describe(trace, { start, stop, text, ids }) {
    const now = ids ? `“${ids.map((id) => trace.word(id, true)).join("")}”` : quoted(text);
    if (start === stop) return `before token ${start + 1}: ${now}`;
    const place = stop - start === 1 ? `token ${start + 1}` : `tokens ${start + 1} to ${stop}`;
    const was = trace.tokens.slice(start, stop).map((token) => token.t).join("");
    return `${place}: ${quoted(format.cut(was, 30))} ${ids && !ids.length ? "left out" : `→ ${now}`}`;
  }

  Forklore.Branching = Branching;
})();
