// One item on the page: its prompt, its text or two, palette, questions and end, kept in step with the desk.
// Turns what keys and pointer wish for into deeds of the desk; knows no server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, annotationWords: words } = Forklore;
  const { el } = dom;
  const LONG_PROMPT = 400;
  const ELSEWHERE = "This item was changed elsewhere, look at it again before you submit.";

  class ItemView {
    /** acts: {home() or null, guidelines()}. */
    constructor(desk, acts) {
      Object.assign(this, { desk, acts, texts: [], frames: [] });
      const { schema } = desk;
      this.palette = words.palette(schema);
      this.selects = schema.label_sets.length > 0 || schema.questions.some(({ kind }) => kind === "token");
      this.live = el("p", { class: "fl-an-sr", role: "status" });
      this.bar = new Forklore.AnnotationBar(desk, { ...acts, keys: () => this.toggleKeys(), neighbour: (way) => this.neighbour(way), say: (text) => this.say(text) });
      this.labels = new Forklore.AnnotationPalette(schema, this.palette, { label: (row) => this.label(row), remove: () => this.remove(), undo: () => this.undo(), redo: () => this.redo(), say: (text) => this.say(text) });
      this.scores = new Forklore.AnnotationScores(desk.session.scores, () => this.tint());
      this.questions = new Forklore.AnnotationQuestions(schema, { answer: (name, value) => this.desk.answer(name, value) },
        { tokens: () => this.desk.item?.runs[0].tokens || [], selectedToken: () => { const span = this.texts[0]?.span; return span && span[1] - span[0] === 1 ? span[0] : -1; } });
      this.end = new Forklore.AnnotationEnd({ comment: (text) => { if (text !== desk.shown.comment) desk.act("comment", { text }); }, flag: (on) => desk.act("flag", { on }), skip: (reason) => this.skip(reason), submit: () => this.submit() });
      this.given = new Forklore.AnnotationGiven(this.palette, { select: (run, start, stop) => this.show(run, start, stop), unlabel: (id) => desk.act("unlabel", { target: id }), text: () => this.texts[0].words });
      this.others = new Forklore.AnnotationOthers(schema, this.palette, { others: () => this.drawLabels() });
      this.help = Forklore.annotationKeys.help({ sets: schema.label_sets.length > 1, scores: desk.session.show_scores });
      this.build(schema);
      desk.flush = () => this.flush();
      this.detach = Forklore.annotationKeys.attach(this);
    }

    build(schema) {
      this.notice = el("div", { class: "fl-an-notice", hidden: true });
      this.prompts = el("div", { class: "fl-an-prompts" });
      this.board = el("div", { class: "fl-an-board" });
      this.feedback = el("div", {});
      const tools = el("div", { class: "fl-an-tools" }, this.labels.root, this.scores.root);
      this.left = el("div", { class: "fl-an-left" }, this.prompts, tools, this.board, schema.label_sets.length ? this.given.root : null, this.others.root);
      this.right = el("div", { class: "fl-an-right" }, this.feedback, this.questions.root, this.end.root);
      this.two = el("div", { class: "fl-an-two" }, this.left, this.right);
      this.root = el("div", { class: "fl-an-item" }, this.bar.root, this.help, this.notice, this.two, this.live);
    }

    close() {
      this.flush();
      this.desk.flush = () => {};
      this.detach();
      for (const text of this.texts) text.close();
    }

    say(text) { this.live.textContent = Forklore.dom.shown(text); }

    // ---- drawing

    update(what) {
      this.bar.update();
      if (what === "item") this.lay();
      if (what === "waiting") this.root.setAttribute("aria-busy", String(this.desk.busy));
      if (what !== "saving") this.draw(what === "item");
      else this.others.draw(this.desk.item?.others, this.desk.item?.runs || []);
      this.sayNotice();
      this.lock();
    }

    /** An item on its way out takes neither pointer nor keys: a late click would open it again. */
    lock() {
      const { locked } = this.desk;
      if (this.two.inert === locked) return;
      if (locked) {
        this.held = this.two.contains(document.activeElement) ? document.activeElement : null;
        this.held?.blur();
      }
      this.two.inert = locked;
      if (locked || !this.held) return;
      if (document.activeElement === document.body) this.held.focus({ preventScroll: true });
      this.held = null;
    }

    /** Another item: its texts are written, and the first of them gets the keyboard. */
    lay() {
      const { item } = this.desk;
      this.root.setAttribute("aria-busy", "false");
      if (!item) return;
      this.held = null;
      while (this.texts.length < item.runs.length) this.addText();
      while (this.texts.length > item.runs.length) { this.texts.pop().close(); this.frames.pop().remove(); }
      const pair = item.runs.length > 1;
      this.two.classList.toggle("fl-an-pair", pair);
      item.runs.forEach((run, i) => {
        const text = this.texts[i];
        text.words.setAttribute("aria-label", pair ? `Text ${"AB"[i]}` : "Text");
        this.frames[i].firstChild.hidden = !pair;
        text.write(run.tokens);
      });
      this.drawPrompts(item.runs);
      this.scores.take(item.runs);
      this.tint();
      this.others.shown.clear();
      this.others.root.open = false;
      this.say(`Item ${item.place}${item.part === "training" ? ", training" : ""}.`);
      requestAnimationFrame(() => {
        if (this.root.offsetParent === null || this.desk.item !== item) return;
        if (this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
        this.texts[0]?.words.focus({ preventScroll: true });
      });
    }

    addText() {
      const i = this.texts.length;
      const text = new Forklore.AnnotationText({ label: "Text", selected: (one) => this.selected(one) });
      const frame = el("section", { class: "fl-an-frame" }, el("h3", { class: "fl-an-small-title", text: "AB"[i], hidden: true }), text.root);
      this.texts.push(text);
      this.frames.push(frame);
      this.board.append(frame);
    }

    /** Prompts, the same one of two runs once. */
    drawPrompts(runs) {
      const seen = new Map();
      runs.forEach((run, i) => { const key = JSON.stringify([run.prompt, run.system]); seen.set(key, [...(seen.get(key) || []), i]); });
      this.prompts.replaceChildren(...[...seen.values()].map((indices) => {
        const run = runs[indices[0]];
        const name = seen.size > 1 ? `Prompt of ${indices.map((i) => "AB"[i]).join(" and ")}` : "Prompt";
        const body = el("div", { class: "fl-an-prompt-text", dir: "auto" });
        Forklore.fillText(body, run.prompt || "");
        const system = run.system ? el("div", { class: "fl-an-prompt-text fl-an-system", dir: "auto" }, el("span", { class: "fl-an-soft", text: "System: " })) : null;
        if (system) Forklore.fillText(system, run.system);
        // who wrote it may sway a judgement
        const model = this.desk.session.blind ? [] : indices.map((i) => runs[i].model).filter(Boolean);
        const long = (run.prompt || "").length + (run.system || "").length > LONG_PROMPT;
        return el("details", { class: "fl-an-prompt", open: true }, el("summary", {}, name, model.length ? el("bdi", { class: "fl-an-model", text: [...new Set(model)].join(", ") }) : null),
          el("div", { class: long ? "fl-an-prompt-long" : "", tabindex: long ? "0" : null, role: long ? "region" : null, "aria-label": long ? name : null }, system, run.prompt ? body : el("p", { class: "fl-an-soft", text: "No prompt: the text stands alone." })));
      }));
    }

    draw(reset) {
      const { desk } = this;
      if (!desk.item) return;
      this.drawLabels();
      this.given.draw(desk.shown, desk.item.runs, desk.readonly && !desk.busy);
      this.others.draw(desk.item.others, desk.item.runs);
      this.questions.update(desk.shown.answers, { reset, readonly: desk.readonly && !desk.busy });
      this.end.update(desk.shown, { reset, busy: desk.busy, training: desk.item.part === "training" });
      if (this.told !== desk.feedback) {
        this.told = desk.feedback;
        this.feedback.replaceChildren(Forklore.annotationFeedback(desk.feedback) || "");
      }
      this.able();
    }

    drawLabels() {
      const { desk } = this;
      const expected = desk.feedback?.expected?.labels || [];
      this.texts.forEach((text, run) => {
        const rows = desk.shown.labels.filter((label) => label.run === run).map((label) => this.row(label));
        const known = expected.filter((label) => (label.run || 0) === run).map((label) => ({ ...this.row(label), name: `expected: ${this.palette.of(label).label.title}`, kind: "fl-an-theirs" }));
        const picked = run ? null : desk.schema.questions.filter(({ kind }) => kind === "token").map(({ name }) => desk.shown.answers[name]).find((value) => typeof value === "number");
        text.draw([...rows, ...this.others.rows(desk.item.others, run), ...known], picked ?? -1);
      });
    }

    row(label) {
      const look = this.palette.of(label);
      return { start: label.start, stop: label.stop, name: look.label.title, hue: look.hue, stroke: look.stroke };
    }

    tint() {
      const ramp = Forklore.recall({ ramp: "heat" }).ramp;
      this.root.classList.toggle("fl-ramp-cividis", ramp === "cividis");
      this.root.classList.toggle("fl-ramp-heat", ramp !== "cividis");
      this.texts.forEach((text, i) => {
        const found = this.scores.of(i);
        text.hot = found?.hot || null;
        text.tint(found?.shares || null, text.hot);
      });
    }

    sayNotice() {
      const { desk } = this;
      const newer = desk.item && desk.item.guidelines_version > desk.session.guidelines_version;
      const parts = [];
      if (desk.problem) parts.push(el("span", { role: "alert", text: desk.problem }), dom.button("Try again", () => desk.again()));
      else if (newer) parts.push(el("span", { role: "status", text: `The guidelines were changed; version ${desk.item.guidelines_version} holds now.` }), dom.button("Read them", () => this.acts.guidelines()));
      const key = desk.problem || (newer ? `v${desk.item.guidelines_version}` : "");
      if (key === this.noticed) return;
      this.noticed = key;
      this.notice.hidden = !parts.length;
      this.notice.replaceChildren(...parts);
    }

    // ---- what is selected

    selected(one) {
      for (const text of this.texts) if (text !== one && text.head >= 0) text.select(-1, -1, { quiet: true });
      this.able();
    }

    /** {text, run, span} of the selection, null where there is none. */
    get place() {
      const run = this.texts.findIndex((text) => text.span);
      return run < 0 ? null : { run, text: this.texts[run], span: this.texts[run].span };
    }

    /** The labels that `x` would take off: those of the chosen set that the selection touches, else of any set. */
    touched() {
      const { place } = this;
      if (!place) return [];
      const [start, stop] = place.span;
      const here = this.desk.shown.labels.filter((label) => label.run === place.run && label.start < stop && label.stop > start);
      const own = here.filter((label) => label.set === this.labels.current?.name);
      return own.length ? own : here;
    }

    able() {
      const { place, desk } = this;
      const said = !this.selects ? "" : place ? `${this.texts.length > 1 ? `${"AB"[place.run]}: ` : ""}${words.quote(place.text.tokens, ...place.span)}, ${words.range(...place.span)}` : "Nothing selected: drag over the text, or move with the arrows";
      this.labels.update(said, { label: Boolean(place), remove: this.touched().length > 0, undo: desk.shown.undo, redo: desk.shown.redo });
      for (const { question, made } of this.questions.parts) if (question.kind === "token") made.set(desk.shown.answers[question.name]);
    }

    show(run, start, stop) {
      const text = this.texts[run];
      text.select(start, stop - 1);
      text.words.focus({ preventScroll: true });
      text.reveal();
    }

    // ---- wishes

    label(row) {
      const { place } = this;
      if (!place) { this.say("Select tokens of the text first."); this.labels.target.classList.add("fl-an-wanted"); setTimeout(() => this.labels.target.classList.remove("fl-an-wanted"), 1200); return; }
      const done = this.desk.label(row.set.name, row.label.name, place.run, ...place.span);
      this.labels.used(row);
      this.say(`${row.label.title}: ${words.quote(place.text.tokens, ...place.span)}${done ? "" : ", already there"}`);
    }

    labelKey(digit) {
      const row = this.labels.rowOfKey(digit);
      if (!row) return false;
      this.label(row);
      return true;
    }

    labelReady() { if (this.labels.ready) this.label(this.labels.ready); }

    remove() {
      const ids = new Set(this.touched().map((label) => label.id));
      for (const id of ids) this.desk.act("unlabel", { target: id });
      this.say(ids.size ? `${words.counted(ids.size, "label")} removed` : "No label here");
    }

    undo() { this.flush(); this.say(this.desk.undo() ? "Undone" : "Nothing to undo"); }
    redo() { this.say(this.desk.redo() ? "Done again" : "Nothing to do again"); }
    nextSet() { this.labels.nextSet(); }
    toggleFlag() { this.desk.act("flag", { on: !this.desk.shown.flag }); }
    askSkip() { if (!this.end.skip.hidden) this.end.toggleSkip(true); }
    before() { this.neighbour(-1); }
    after() { this.neighbour(1); }

    toggleKeys() {
      this.help.hidden = !this.help.hidden;
      if (!this.help.hidden) this.help.scrollIntoView({ block: "nearest" });
    }

    letGo() {
      if (!this.help.hidden) this.toggleKeys();
      else if (!this.end.reasons.hidden) this.end.toggleSkip(false);
      else this.place?.text.select(-1, -1);
    }

    hotter() { return this.jump(1); }
    hotterBack() { return this.jump(-1); }

    /** To the next token that the score on show marks; nothing where scores are hidden. */
    jump(way) {
      const text = this.place?.text || this.texts[0];
      if (!text?.hot) return false;
      for (let t = text.head + way; t >= 0 && t < text.tokens.length; t += way) {
        if (!text.hot[t]) continue;
        this.show(this.texts.indexOf(text), t, t + 1);
        return true;
      }
      return true;
    }

    /** Tells what was written and not yet told. */
    flush() {
      this.questions.flush();
      this.end.flush();
    }

    neighbour(way) {
      if (!this.desk.item || this.desk.busy) return;
      const uid = this.desk.neighbour(way);
      if (!uid) return this.say(way < 0 ? "This is your first item." : "This is your newest item.");
      this.flush();
      this.desk.open(uid);
    }

    async submit() {
      const { desk } = this;
      if (!desk.item || desk.locked) return;
      this.flush();
      // just submitted and on its way: a second press is no second wish
      if (desk.outbox.eventsOf(desk.item.item).some(({ kind }) => kind === "submit" || kind === "skip")) return;
      if (desk.shown.status === "submitted" || desk.shown.status === "skipped") return desk.next();
      const missing = desk.missing();
      this.end.lack(missing.map(({ title }) => title));
      this.questions.point(missing);
      const { turn } = desk;
      if (!missing.length && (await desk.settle("submit", {})) === false && turn === desk.turn) this.end.warn(ELSEWHERE);
    }

    skip(reason) {
      this.flush();
      this.desk.settle("skip", { reason });
    }
  }

  Forklore.AnnotationItem = ItemView;
})();
