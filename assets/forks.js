// Forking analysis of a run: outcomes over the text, one token from near, the ranking, what it costs and how far it is.
// Wires the parts around one selection and one document; each part knows how it looks.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, observable, forksWords } = Forklore;
  const { el } = dom;
  const KEYS = "keys: arrows go over tokens, n and p from fork to fork";
  const LONG = 120;
  const PATIENCE = 4000; // milliseconds
  const FEW = 6; // two segments of three tokens each
  const CHANGES = 9; // posterior odds above which a change is claimed

  const large = (value) => (value > 1000 ? "above 1,000" : format.number(value, 3));

  class Forks {
    constructor(root) {
      this.root = root;
      this.data = new Forklore.ForksData();
      this.view = observable(Forklore.forksWishes.recall());
      Object.assign(this, { asked: "", selected: -1, hovered: -1, ground: null, trigger: null, ways: [], onSelect: null, onTake: null, onText: null });
    }

    /** Builds everything; ways: how an outcome may be read, as the server offers them. */
    build(ways) {
      this.ways = ways;
      this.form = new Forklore.ForksForm({ ways, start: (fields) => this.start(fields), price: (fields) => this.emit("forks_price", { fields }) });
      this.along = new Forklore.ForksText(this);
      this.wide = new Forklore.ForksWide(this);
      this.detail = new Forklore.ForksDetail(this);
      this.ranking = new Forklore.ForksRanking(this);
      this.tools = new Forklore.ForksTools(this);
      this.said = el("p", { class: "fl-fk-sentence" });
      this.status = el("div", { class: "fl-fk-status", role: "status" });
      this.warnings = el("ul", { class: "fl-fk-warnings" });
      this.readout = el("p", { class: "fl-fk-readout" });
      this.message = el("p", { class: "fl-fk-message" });
      this.live = el("div", { class: "fl-sr", role: "status", "aria-live": "polite" });
      this.facts = el("p", { class: "fl-fk-facts" });
      this.picture = el("div", { class: "fl-fk-picture" }, this.tools.root, this.tools.legend, this.readout, this.along.root, this.wide.root, this.facts);
      this.root.classList.add("fl-forks");
      this.root.replaceChildren(this.message, this.said, this.status, this.warnings, this.form.root, this.picture, this.detail.root, this.ranking.root, this.live);
      this.view.on(() => { Forklore.forksWishes.remember(this.view.state); this.redraw(); this.mark(); });
      new ResizeObserver(() => this.schedule()).observe(this.root);
      document.fonts?.ready.then(() => this.schedule());
      this.frame(true);
    }

    // ---- the document

    /** Asks for the analysis of a run once; "" for none. */
    open(run) {
      if (this.asked === run) return;
      this.asked = run;
      Object.assign(this, { selected: -1, hovered: -1, wanted: -1, ground: null, opened: false });
      if (this.form) this.frame(true);
      if (run && this.trigger) { this.askedAt = performance.now(); this.emit("forks_open", {}); }
    }

    /** Another analysis of the same run. */
    openOther(uid) {
      this.selected = -1;
      this.emit("forks_open", { uid });
    }

    /** Asks again for one that did not come. */
    again() {
      if (!this.form || this.asked === this.data.run || performance.now() - (this.askedAt || -PATIENCE) < PATIENCE) return;
      const run = this.asked;
      this.asked = "";
      this.open(run);
    }

    load(text) {
      if (text && this.late(text)) return;
      const before = { run: this.data.run, pieces: JSON.stringify(this.data.header?.pieces || null), uid: this.data.uid, state: this.data.state, reading: this.data.reading };
      if (!this.data.load(text) || !this.form) return;
      const other = before.run !== this.data.run || before.pieces !== JSON.stringify(this.data.header?.pieces || null);
      if (other) {
        this.along.write();
        this.wide.write();
        if (!(this.data.header?.pieces?.length > this.selected)) this.selected = -1;
      }
      if (other || before.reading !== this.data.reading || before.uid !== this.data.uid) this.detail.close();
      if (this.data.uid && this.data.uid !== before.uid && this.data.run === this.asked) this.emit("forks_list", {});
      this.watch();
      if (this.data.run === this.asked) this.settle(other, before);
      this.frame(other);
    }

    /** One that is drawn by another page, or by this one before it was loaded again, is asked for now and then. */
    watch() {
      clearTimeout(this.watching);
      const { data } = this;
      if (data.state !== "running" || !data.standing.message || data.run !== this.asked) return;
      this.watching = setTimeout(() => { if (data.run === this.asked) this.emit("forks_open", { uid: data.uid }); }, PATIENCE);
    }

    /** Whether a document came after something newer: of a run that was left, or of fewer draws of the same analysis. */
    late(text) {
      const { data } = this;
      if (!this.asked || data.run !== this.asked) return false;
      const lines = text.trimEnd().split("\n");
      const [head, { s: standing }] = [JSON.parse(lines[0]), JSON.parse(lines.at(-1))];
      if (head.run !== this.asked) return true;
      const same = head.forks && head.forks === data.uid && [head.extractor, head.parameter].join("\n") === data.reading;
      return Boolean(same && standing && data.standing && standing.draws < data.standing.draws);
    }

    /** After a document of the run on show: the form as it fits, and where the reader looks first. */
    settle(other, before) {
      const { data } = this;
      if (other && data.header.pieces) {
        this.form.reset(data.header.pieces.join(""));
        if (this.aimed >= 0 && !data.uid) this.form.aim(this.aimed);
      }
      this.aimed = -1;
      if (!data.uid && !data.positions.length) this.form.showPrice(data.header.price);
      if (other || before.uid !== data.uid) this.opened = !data.positions.length && !data.running && !data.uid;
      if (data.running) this.opened = false;
      if (before.state !== data.state && data.state === "finished") this.say("The analysis is finished.");
      if (this.selected < 0 && !data.running && data.positions.length) this.select(this.wanted >= 0 && this.wanted < data.header.pieces.length ? this.wanted : this.first(), false, true);
    }

    /** The token where the outcome moves most. */
    first() {
      const best = this.data.ranking("influence")[0];
      return best ? best.t : this.data.range[0];
    }

    get here() {
      return this.data.run !== "" && this.data.run === this.asked;
    }

    /** Everything around the drawing, then the drawing. */
    frame(whole = false) {
      const { data, here } = this;
      const refused = here && data.header.refused;
      const known = here && !refused;
      this.message.hidden = known;
      this.message.textContent = Forklore.dom.shown(refused || (this.asked ? "Opening the analysis…" : "Here stands how the outcome would be distributed had the answer started again before each of its tokens: which of them decide, and which could as well have been others. A stored run is needed."));
      const sentence = known ? Forklore.forksSentence(data, (t, reveal) => this.select(t, reveal)) : null;
      this.said.hidden = !sentence;
      this.said.replaceChildren(...(sentence || []));
      this.showStatus(known);
      this.showWarnings(known);
      this.form.root.hidden = !known || !this.opened;
      this.picture.hidden = !known || !data.header.pieces || (!data.uid && !data.positions.length && !data.running);
      if (!known) this.detail.root.hidden = this.ranking.root.hidden = true;
      this.tools.update();
      this.facts.textContent = known && data.positions.length ? `${this.factsLine()} · ${KEYS}` : "";
      this.redraw();
      this.root.dataset.run = data.run;
      this.root.dataset.forks = data.uid;
      this.root.dataset.state = data.state;
      this.root.dataset.draws = String(data.standing ? data.standing.draws : 0);
      if (whole) this.mark();
    }

    showStatus(known) {
      const { data } = this;
      const { standing, header } = data;
      const parts = [];
      if (known && standing) {
        const total = header.price.draws;
        const drawn = `${format.count(standing.draws)} of ${format.count(Math.max(total, standing.draws))} continuations`;
        const left = format.exists(standing.left) ? `, about ${format.seconds(standing.left)} to go` : "";
        if (data.running) parts.push(el("progress", { max: Math.max(1, total), value: standing.draws, "aria-label": "Continuations drawn" }), el("span", { text: standing.message || `${drawn}${left}` }), dom.button("Stop", () => this.emit("forks_stop", {})));
        else if (data.uid) {
          const words = { stopped: `Stopped after ${drawn}.`, failed: "It broke off.", finished: "" }[data.state] ?? "";
          if (words || standing.message) parts.push(el("span", { text: [words, standing.message].filter(Boolean).join(" ") }));
          if (data.state !== "finished") parts.push(dom.button("Go on", () => this.emit("forks_resume", { uid: data.uid })));
        } else if (standing.message) parts.push(el("span", { text: standing.message }));
        if (!data.running && data.header.pieces) parts.push(dom.button(this.opened ? "Close the form" : data.uid ? "New analysis…" : "Analyse…", () => this.toggleForm(), { "aria-expanded": String(this.opened), hidden: !data.uid && this.opened }));
      }
      this.status.replaceChildren(...parts);
      this.status.hidden = !parts.length;
    }

    toggleForm() {
      this.opened = !this.opened;
      this.frame();
      if (this.opened) { this.form.ask(); this.form.reading.control.focus(); }
    }

    showWarnings(known) {
      const { data } = this;
      const said = known && data.said ? [...data.said.warnings] : [];
      if (this.problem) said.unshift(this.problem);
      this.warnings.hidden = !said.length;
      this.warnings.replaceChildren(...said.map((text) => el("li", { text })));
    }

    /** What stands below the picture: change points and what the curve rests on. */
    factsLine() {
      const { data } = this;
      const { header, standing } = data;
      if (!data.positions.length) return "";
      const parts = [`outcome: ${header.field.toLowerCase()}${header.parameter ? ` “${header.parameter}”` : ""}`, `${format.count(standing.draws)} draws`, `seed ${header.seed}`, header.estimator === "recursion" ? "recursion" : "every branch", "bands: 80 %"];
      if (standing.close) parts.push(`${format.count(standing.close)} close calls (see Methods)`);
      const changes = data.said && data.said.changes;
      if (changes) {
        if (data.positions.length < FEW) parts.push("too few tokens to look for changes");
        else if (changes.step > 1) parts.push(`changes are looked for in steps of ${format.count(changes.step)} tokens`);
        if (data.positions.length >= FEW && changes.flat) parts.push(`no change: the curve moves no more than its noise does (${format.number(changes.range, 2)} of ${format.number(changes.noise, 2)})`);
        else if (data.positions.length >= FEW) parts.push(`${changes.odds > CHANGES ? "the curve changes its level or slope" : "a change of the curve cannot be claimed"}: posterior odds ${large(changes.odds)} (claimed above ${CHANGES}), Bayes factor ${large(changes.bayes_factor)}${changes.bayes_factor < 3 ? ", weak" : ""}, ${changes.expected.toFixed(1)} change points expected`);
      }
      return parts.join(" · ");
    }

    // ---- drawing

    /** As the reader chose, else by length: a long answer is seen whole first. */
    get layout() {
      return this.view.state.layout || (this.data.header && this.data.header.pieces && this.data.header.pieces.length > LONG ? "wide" : "text");
    }
    get drawing() {
      return this.layout === "wide" ? this.wide : this.along;
    }

    /** Puts an outcome at the bottom of the stack. */
    stand(label) {
      this.ground = label;
      this.redraw();
    }

    /** What the drawing shall show. */
    wishes() {
      const { mode, jumps, changes, survival, drift } = this.view.state;
      return { mode, jumps, changes, survival, drift, ground: this.ground ?? this.data.own };
    }

    schedule() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.redraw(); });
    }

    redraw() {
      if (!this.form || !this.root.isConnected || this.picture.hidden || this.root.closest("[hidden]")) return;
      this.along.root.hidden = this.drawing !== this.along;
      this.wide.root.hidden = this.drawing !== this.wide;
      this.tools.update();
      this.drawing.draw();
      this.detail.update();
      this.ranking.update();
      this.read();
    }

    mark() {
      if (this.drawing.nodes.length) this.drawing.mark();
      this.onText?.(this.here ? this.data.blamed(this.wishes()) : new Set());
    }

    /** The curve in words where the reader is. */
    read() {
      const { data } = this;
      const t = this.hovered >= 0 ? this.hovered : this.selected;
      const known = data.before(t);
      if (!known) { this.readout.textContent = data.positions.length ? "Move over the text to read the curve." : data.header && data.header.pieces && data.running ? "The curve is drawn from the end to the beginning." : ""; return; }
      const label = t >= data.range[1] ? "behind the last token" : `before token ${format.count(t + 1)}`;
      const word = t < data.header.pieces.length ? forksWords.word(data.header.pieces[t]) : "";
      this.readout.replaceChildren(el("span", { class: "fl-fk-soft" }, label, " "), word, forksWords.outcomeWords(data, known), known.kept < 0.995 ? el("span", { class: "fl-fk-soft", text: `unexplored ${format.percent(1 - known.kept, 0)}` }) : "");
    }

    // ---- the selection

    /** quiet: the page chooses, not the reader. */
    select(t, reveal = false, quiet = false) {
      if (t < 0 || !this.data.header || t === this.selected) return;
      const last = this.data.header.pieces.length - 1;
      this.selected = Math.min(t, last);
      if (!quiet) this.onSelect?.(this.selected);
      this.mark();
      this.detail.update();
      this.ranking.update();
      this.read();
      if (reveal) this.drawing.nodes[this.selected]?.scrollIntoView({ block: "center", behavior: dom.calm() ? "auto" : "smooth" });
      if (!quiet) this.say(`Token ${this.selected + 1}, ${this.data.label(this.selected)}`);
    }

    /** Follows a selection that was made elsewhere. */
    follow(t) {
      this.wanted = t;
      if (!this.form || !this.here || t < 0 || t === this.selected || !this.data.header.pieces || t >= this.data.header.pieces.length) return;
      this.select(t, false, true);
    }

    /** Where nothing is drawn yet the form asks about this token alone; it can be widened there. */
    aim(t) {
      this.wanted = t;
      this.aimed = t;
      if (this.here && this.form && !this.data.uid) this.form.aim(t);
    }

    hover(t) {
      if (t === this.hovered) return;
      this.hovered = t;
      if (this.drawing.nodes.length) this.drawing.mark();
      this.read();
    }

    jump(way) {
      const forks = this.data.forkTokens(this.view.state.jumps || "0.15");
      const next = way > 0 ? forks.find((t) => t > this.selected) : forks.reverse().find((t) => t < this.selected);
      if (next === undefined) this.say(way > 0 ? "No fork after this token." : "No fork before this token.");
      else this.select(next, true);
    }

    // ---- wishes to the server

    emit(name, detail) {
      if (this.trigger) this.trigger(name, { run: this.asked, ...detail });
    }
    start(fields) {
      this.problem = "";
      this.selected = -1;
      this.emit("forks_run", { fields });
    }
    moreDraws(branch, more) {
      this.problem = "";
      this.detail.close();
      this.emit("forks_more", { uid: this.data.uid, position: branch.t, token: branch.id, more });
    }
    askTexts(branch) {
      const { extractor, parameter } = this.data.header;
      this.emit("forks_texts", { uid: this.data.uid, position: branch.t, token: branch.id, field: extractor, parameter });
    }
    take(branch) {
      this.onTake?.();
      this.emit("forks_take", { position: branch.t, token: branch.id });
    }
    readAgain(field, parameter) {
      this.emit("forks_read", { uid: this.data.uid, field, parameter });
    }

    /** What came beside the document: continuations, a price, a refusal. */
    aside(value) {
      if (!value || !this.form) return;
      const said = JSON.parse(value);
      if (said.run && said.run !== this.asked) return;
      if (said.analyses) this.tools.showAnalyses(said.analyses);
      if (said.analyses) return;
      if (said.texts) this.detail.take(said.texts);
      if (said.price) { this.form.refuse(""); this.form.showPrice(said.price); }
      if (said.refused) this.form.refuse(said.refused);
      this.problem = said.problem || "";
      if (said.problem) {
        this.detail.refused();
        this.tools.refused();
        if (this.opened) { this.form.refuse(said.problem); this.problem = ""; }
        this.say(said.problem);
      }
      this.showWarnings(this.here);
    }

    say(text) {
      this.live.textContent = Forklore.dom.shown(text);
    }
  }

  Forklore.Forks = Forks;
})();
