// The chain of an answer: which earlier tokens it rests on, hop by hop. Wires the parts around one selection, one span and
// one document; each part knows how it looks.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chainArcs, chainWords } = Forklore;
  const { el } = dom;
  const PATIENCE = 4000; // milliseconds

  class Chain {
    constructor(root) {
      this.root = root;
      this.data = new Forklore.ChainData();
      Object.assign(this, { asked: "", selected: -1, hovered: -1, hop: 0, count: 0, marked: null, anchor: -1, pinned: -1, trail: [], trigger: null, instrument: null, problem: "" });
    }

    /** Builds everything, once. */
    build() {
      this.text = new Forklore.ChainText(this);
      this.text.words.addEventListener("keydown", (event) => Forklore.chainKeys(this, event));
      this.tools = new Forklore.ChainTools(this);
      this.form = new Forklore.ChainForm(this, this.tools.others);
      this.detail = new Forklore.ChainDetail(this);
      this.tables = new Forklore.ChainTables(this);
      this.confidence = new Forklore.ChainConfidence(this);
      this.message = el("p", { class: "fl-ch-message" });
      this.said = el("p", { class: "fl-ch-sentence" });
      this.facts = el("p", { class: "fl-ch-facts" });
      this.keys = el("p", { class: "fl-ch-facts" });
      this.warnings = el("ul", { class: "fl-ch-warnings" });
      this.live = el("div", { class: "fl-sr", role: "status", "aria-live": "polite" });
      this.picture = el("div", { class: "fl-ch-picture" }, this.tools.root, el("div", { class: "fl-ch-scroll" }, this.text.root), this.tools.legend, this.facts, this.keys, this.warnings, this.detail.root);
      this.body = el("div", {}, this.said, this.form.root, this.picture, this.confidence.root, this.tables.chainPart, this.tables.variantPart);
      this.root.classList.add("fl-chain");
      this.root.replaceChildren(this.message, this.body, this.live);
      new ResizeObserver(() => this.schedule()).observe(this.root);
      document.fonts?.ready.then(() => this.schedule());
      this.frame();
    }

    // ---- the document

    /** Asks for the newest trace of a run once; "" for none. */
    open(run) {
      if (this.asked === run) return;
      this.asked = run;
      Object.assign(this, { selected: -1, hovered: -1, marked: null, anchor: -1, trail: [], hop: 0, problem: "", mine: false });
      if (this.form) this.frame();
      if (run && this.trigger) { this.askedAt = performance.now(); this.emit("chain_open", {}); }
    }

    /** Asks again for one that did not come. */
    again() {
      if (!this.form || this.asked === this.data.run || performance.now() - (this.askedAt || -PATIENCE) < PATIENCE) return;
      const run = this.asked;
      this.asked = "";
      this.open(run);
    }

    /** Another trace of the same run. */
    openOther(uid) {
      if (uid) this.emit("chain_open", { uid });
    }

    load(text) {
      const { data } = this;
      const was = { run: data.run, pieces: JSON.stringify(data.pieces), uid: data.uid, span: JSON.stringify(data.span), traced: data.traced, state: data.state, running: data.running, known: (data.header?.others || []).map(({ uid }) => uid) };
      if (text && this.asked && data.run === this.asked && JSON.parse(text.split("\n", 1)[0]).run !== this.asked) return;
      if (!data.load(text) || !this.form) return;
      if (was.run !== data.run || was.pieces !== JSON.stringify(data.pieces)) { this.text.write(); Object.assign(this, { marked: null, anchor: -1 }); }
      if (was.run !== data.run || was.uid !== data.uid) this.form.fill();
      // the end of a trace changes nothing for who is reading it already
      const kept = was.run === data.run && was.span === JSON.stringify(data.span) && was.traced === data.traced && (was.running || was.uid === data.uid);
      if (!kept) this.settle();
      else if (!this.chosen) this.count = chainArcs.calmCount(data.arcs);
      if (!data.running) this.mine = false;
      // one that was known before comes back where a trace was stopped
      if (was.running && data.state === "finished" && this.here && !was.known.includes(data.uid)) {
        this.say("The chain is traced.");
        // the run knows two scores more now
        this.emit("chain_scores", {});
      }
      this.watch();
      this.frame();
    }

    /** After another chain came: all of it, calm, with the answer chosen. */
    settle() {
      const { data } = this;
      Object.assign(this, { hop: 0, trail: [], chosen: false, count: chainArcs.calmCount(data.arcs) });
      this.form.chooseOwn();
      if (data.traced && !(this.here && this.pinned >= 0 && data.has(this.pinned))) this.selected = data.own();
      else if (data.traced) this.selected = this.pinned;
      if (this.selected >= data.pieces.length) this.selected = -1;
    }

    /** One that is traced by another page, or by this one before it was loaded again, is asked for now and then. */
    watch() {
      clearTimeout(this.watching);
      const { data } = this;
      if (!data.running || this.mine || data.run !== this.asked) return;
      this.watching = setTimeout(() => { if (data.run === this.asked) this.emit("chain_open", data.uid ? { uid: data.uid } : {}); }, PATIENCE);
    }

    get here() {
      return this.data.run !== "" && this.data.run === this.asked;
    }

    // ---- what is shown

    /** The last hop on show. */
    get limit() {
      return this.hop || this.data.hops;
    }
    get ramp() {
      return this.root.closest(".fl-ramp-cividis") ? "cividis" : "heat";
    }

    frame() {
      const { data, here } = this;
      const refused = here && data.header.refused;
      const known = here && !refused && data.pieces.length > 0;
      this.message.hidden = known;
      this.message.textContent = Forklore.dom.shown(refused || (this.asked ? "Opening…" : "Here stands on which earlier tokens an answer rests: its attention, followed back through the text hop by hop. A stored run is needed."));
      this.body.hidden = !known;
      this.root.dataset.run = data.run;
      this.root.dataset.chain = data.uid;
      this.root.dataset.state = data.state;
      if (!known) { this.instrument?.outline(new Set()); return; }
      this.said.replaceChildren(...chainWords.sentence(data, (t) => this.select(t, true)));
      this.form.update();
      if (this.problem) this.form.problem.textContent = Forklore.dom.shown(this.problem);
      for (const part of [this.tools.root, this.tools.legend]) part.hidden = !data.traced && !data.running;
      this.facts.textContent = chainWords.facts(data);
      this.keys.textContent = Forklore.chainKeys.help(data.traced);
      this.warnings.hidden = !data.warnings.length;
      this.warnings.replaceChildren(...data.warnings.map((text) => el("li", { text })));
      this.confidence.update();
      this.tables.show();
      this.text.dress();
      this.redraw();
      this.outline();
    }

    schedule() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.redraw(); });
    }

    redraw() {
      if (!this.form || !this.root.isConnected || this.body.hidden || this.root.closest("[hidden]")) return;
      this.text.draw();
      this.update();
    }

    /** What hangs on selection, hop and strength. */
    update() {
      this.text.mark();
      this.tools.update();
      this.detail.update();
      this.tables.update();
    }

    /** The chain in the instrument's own text. */
    outline() {
      this.instrument?.outline(new Set(this.here ? this.data.rows.filter((row) => row.hop <= this.limit).map((row) => row.t) : []));
    }

    strength(count) {
      Object.assign(this, { count, chosen: true });
      this.update();
    }

    hopTo(hop) {
      const { data } = this;
      if (!data.hops) return;
      const to = Math.max(1, Math.min(data.hops, hop));
      if (to === this.limit) { this.say(to === 1 ? "This is the first hop." : "These are all hops."); return; }
      this.hop = to;
      this.text.dress();
      this.update();
      this.outline();
      const fresh = data.rows.filter((row) => row.hop === to).sort((a, b) => b.score - a.score);
      this.say(`Hop ${to} of ${data.hops}: ${fresh.slice(0, 5).map((row) => data.label(row.t)).join(", ")}${fresh.length > 5 ? ` and ${fresh.length - 5} more` : ""}`);
    }

    // ---- the selection

    /** quiet: the page chooses, not the reader. */
    select(t, reveal = false, quiet = false) {
      if (t < 0 || t >= this.data.pieces.length) return;
      if (!quiet) this.unmark();
      if (t !== this.selected) {
        this.selected = t;
        if (!quiet) this.instrument?.select(t);
        this.update();
        if (!quiet) this.say(this.text.spoken(t));
      }
      if (reveal) this.text.nodes[t]?.scrollIntoView({ block: "center", behavior: dom.calm() ? "auto" : "smooth" });
    }

    /** Follows a selection that was made in the instrument. */
    follow(t) {
      this.pinned = t;
      if (this.form && this.here && t >= 0) this.select(t, false, true);
    }

    hover(t) {
      if (t === this.hovered) return;
      this.hovered = t;
      this.text.mark();
    }

    /** A half-open span of tokens, selected as the answer to trace; told: the instrument knows already. */
    mark(span, told = false) {
      if (!this.form || !this.here || !span || span[1] > this.data.pieces.length) return;
      if (this.marked && this.marked[0] === span[0] && this.marked[1] === span[1]) return;
      this.marked = span;
      this.form.chooseMine();
      this.text.mark();
      if (!told) this.instrument?.span(span[0], span[1] - 1);
      this.say(`Selected ${chainWords.range(span)}: ‘${chainWords.brief(chainWords.textOf(this.data, span))}’`);
    }

    unmark() {
      this.anchor = -1;
      if (!this.marked) return;
      this.marked = null;
      if (this.form.choice === "mine") this.form.chooseOwn();
      this.form.update();
      this.text.mark();
    }

    /** Lets the selected span end at another token. */
    extend(t) {
      if (this.anchor < 0) this.anchor = this.selected >= 0 ? this.selected : t;
      const anchor = this.anchor;
      this.selected = t;
      this.mark([Math.min(anchor, t), Math.max(anchor, t) + 1]);
      this.anchor = anchor;
      this.update();
    }

    /** The answer that is about to be traced was chosen: it is shown in the text. */
    aim() {
      const { span } = this.form;
      this.form.update();
      if (span) { this.selected = span[1] - 1; this.update(); this.text.nodes[this.selected]?.scrollIntoView({ block: "nearest" }); }
    }

    // ---- wishes to the server

    emit(name, detail) {
      if (this.trigger) this.trigger(name, { run: this.asked, ...detail });
    }
    trace(fields) {
      this.problem = "";
      this.mine = true;
      this.emit("chain_trace", { fields });
    }
    stop() {
      this.emit("chain_stop", {});
    }

    /** What came beside the document: a problem, or that there is none. */
    aside(value) {
      if (!value || !this.form) return;
      const said = JSON.parse(value);
      if (said.run && said.run !== this.asked) return;
      this.problem = said.problem || "";
      this.form.problem.textContent = Forklore.dom.shown(this.problem);
      if (this.problem) this.say(this.problem);
    }

    say(text) {
      this.live.textContent = Forklore.dom.shown(String(text).replaceAll(format.NA, "not available"));
    }
  }

  Forklore.Chain = Chain;
})();
