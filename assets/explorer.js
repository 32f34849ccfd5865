// The instrument: text, inspector, curves and tables around one selection, fed by one growing document.
// Wires the parts together; each part knows how it looks, none asks the server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout, controls, observable } = Forklore;
  const { el } = dom;
  // soft: the pin was set by the run itself and gives way to wherever the reader goes
  const NOWHERE = { cursor: -1, pinned: -1, soft: false, hover: -1, span: null, anchor: -1 };
  const TIP_DELAY = 140;

  class Explorer {
    constructor({ element, props, watch, trigger }) {
      Object.assign(this, { props, trigger });
      this.trace = new Forklore.Trace();
      this.kept = Forklore.recall({ score: "", keys: true, bits: false, ramp: "heat", share: 0.2 });
      this.view = observable(this.kept);
      this.place = observable(NOWHERE);
      this.hot = new Uint8Array(0);
      this.arrived = false;
      this.build(element);
      this.view.on((changed) => this.viewChanged(changed));
      this.place.on((changed) => this.placeChanged(changed));
      watch("value", () => this.load(this.props.value));
      this.load(props.value);
      this.frame({ reset: true });
      this.tabs.first();
      this.root.dataset.ready = "1";
      // the server draws what the address names
      if (props.deeplink) addEventListener("popstate", () => location.reload());
    }

    build(element) {
      this.prose = new Forklore.Prose(this);
      this.tip = new Forklore.Tip(this);
      this.inspector = new Forklore.Inspector(this);
      this.toolbar = new Forklore.Toolbar(this);
      this.files = new Forklore.Files(this);
      this.status = new Forklore.Status(this);
      this.help = Forklore.keyHelp(this);
      this.live = el("div", { class: "fl-sr", role: "status", "aria-live": "polite" });
      if (this.props.sharing) this.toolbar.actions.append(Forklore.ownWork.shareButton(() => this.trace, this.toolbar.root));
      this.toolbar.actions.append(this.files.menu.root);
      this.status.foot.append(dom.button("?", () => this.toggleHelp(), { class: "fl-help-button", title: "Keys", "aria-label": "Keys of the text", "aria-expanded": "false" }));
      this.tabs = controls.tabs({
        label: "More of this run", shown: (_, built) => built.shown?.(),
        list: Forklore.panels.filter((panel) => !panel.needs || this.props[panel.needs]).map((panel) => ({ id: panel.id, label: panel.label, build: (host) => panel.build(host, this) })),
      });
      const reading = el("section", { class: "fl-reading", "aria-label": "The answer" }, this.status.prompt, this.prose.box, this.status.message, this.status.foot, this.help);
      this.root = el("div", { class: "fl-explorer" }, this.status.sentence, this.status.foreign,
        el("div", { class: "fl-two" },
          el("div", { class: "fl-left" }, this.toolbar.root, reading, this.tabs.strip, this.tabs.body), this.inspector.root),
        this.tip.root, this.live);
      this.root.classList.add(`fl-ramp-${this.view.state.ramp}`);
      (element.querySelector(".fl-piece") || element).replaceChildren(this.root);
      Forklore.attachKeys(this);
    }

    // ---- the document

    /** Takes the document as it is now; draws only what is new. */
    load(text) {
      const before = this.trace.tokens;
      const change = this.trace.feed(text);
      if (change.kind === "none") return;
      if (change.later) return this.showLater();
      this.chooseScore();
      this.rank();
      const atEnd = this.prose.box.scrollHeight - this.prose.box.scrollTop - this.prose.box.clientHeight < 40;
      if (change.kind === "reset") {
        this.place.set(NOWHERE);
        this.inspector.branching.close();
        this.prose.reset();
        this.prose.append(0);
        this.prose.box.scrollTop = 0;
      } else if (change.kind === "replace") this.prose.replace(before);
      else this.prose.append(change.from);
      if (this.trace.streaming && atEnd && change.kind === "append") this.prose.box.scrollTop = this.prose.box.scrollHeight;
      this.frame({ reset: change.kind === "reset", data: true });
      this.markForks();
      if (this.awaiting && change.kind === "reset" && this.trace.header) this.showAnswer();
      this.arrive();
    }

    /** What was asked for as a change of a run opens where it is compared with that run. */
    showAnswer() {
      this.awaiting = false;
      if (this.trace.parent) this.tabs.select("whatif");
    }

    /** Lines behind a run change nothing of it; only the panels that show them are told. */
    showLater() {
      this.markForks();
      for (const panel of this.tabs.built()) panel.later?.();
    }

    /** A small mark where other runs leave this one. */
    markForks() {
      const forks = new Set((this.trace.later.children || []).map((child) => child.fork));
      this.prose.nodes.forEach((node, i) => node.classList.toggle("fl-leaves", forks.has(i)));
    }

    /** The score the reader chose where this run has it, otherwise the one the run is told by, otherwise entropy or its first. */
    chooseScore() {
      if (!this.trace.scores.length) return;
      const wanted = [this.kept.score, this.trace.header.score, "entropy"].find((name) => name && this.trace.score(name)) || this.trace.scores[0].name;
      if (this.view.state.score === wanted) return;
      this.choosing = true;
      this.view.set({ score: wanted });
      this.choosing = false;
    }

    rank() {
      this.hot = this.trace.marks(this.view.state.score, this.view.state.share);
    }

    /** Selects what a link or the run itself asks for, once its tokens are there. */
    arrive() {
      if (!this.trace.done || !this.trace.length) return;
      if (!this.arrived && this.props.deeplink) {
        const query = new URLSearchParams(location.search);
        const tok = Number.parseInt(query.get("tok") ?? "", 10);
        if (query.get("run") === this.trace.run && this.trace.tokens[tok]) this.select(tok);
      }
      this.arrived = true;
      const asked = this.trace.header.select;
      const { pinned, cursor } = this.place.state;
      if (pinned < 0 && cursor < 0 && Number.isInteger(asked) && this.trace.tokens[asked]) this.place.set({ pinned: asked, soft: true });
      this.address();
    }

    select(i, reveal = true) {
      this.place.set({ pinned: i, soft: false, span: null });
      if (reveal) this.prose.reveal(i);
    }

    /** Redraws what hangs on document or settings around the text. */
    frame(change) {
      const { trace, root } = this;
      this.status.update();
      this.toolbar.update();
      this.inspector.show(this.subject(), change.data || change.reset ? "data" : true);
      for (const panel of this.tabs.built()) panel.update?.(change);
      this.prose.box.setAttribute("aria-busy", String(trace.streaming));
      root.dataset.tokens = String(trace.length);
      root.dataset.state = this.status.state;
      root.dataset.run = trace.run;
      root.dataset.score = this.view.state.score;
      root.dataset.pinned = String(this.place.state.pinned);
    }

    viewChanged(changed) {
      const { ramp } = this.view.state;
      if (changed.has("score") || changed.has("share")) this.rank();
      if (changed.has("ramp")) for (const name of ["heat", "cividis"]) this.root.classList.toggle(`fl-ramp-${name}`, name === ramp);
      if (changed.has("score") || changed.has("share")) this.prose.paint();
      this.tip.hide();
      this.frame({ view: true });
      this.kept = { ...this.view.state, score: changed.has("score") && !this.choosing ? this.view.state.score : this.kept.score };
      Forklore.remember(this.kept);
    }

    placeChanged(changed) {
      this.prose.mark(this.place.state);
      this.inspector.show(this.subject());
      for (const panel of this.tabs.built()) panel.update?.({ place: true, pinned: changed.has("pinned") });
      this.root.dataset.cursor = String(this.place.state.cursor);
      if (!changed.has("pinned")) return;
      this.root.dataset.pinned = String(this.place.state.pinned);
      this.address();
      this.root.dispatchEvent(new CustomEvent("fl:select", { bubbles: true, detail: { index: this.place.state.pinned, run: this.trace.run } }));
    }

    // ---- the selection

    /** The token the inspector shows: the pinned one, else the one under the pointer, else the cursor's. */
    subject() {
      const { pinned, soft, hover, cursor } = this.place.state;
      if (soft && hover >= 0) return hover;
      return pinned >= 0 ? pinned : hover >= 0 ? hover : cursor;
    }
    /** The token the reader is at right now. */
    near() {
      const { pinned, hover, cursor } = this.place.state;
      return hover >= 0 ? hover : cursor >= 0 ? cursor : pinned;
    }

    hover(i, from = "text") {
      if (!this.place.set({ hover: i })) return;
      if (i < 0 || from === "table") this.tip.hide();
      else if (from === "chart") this.prose.reveal(i, { page: false });
      if (i >= 0 && from === "text") this.tip.show(i, TIP_DELAY);
    }

    moveTo(i) {
      const { pinned, soft } = this.place.state;
      this.place.set({ cursor: i, span: null, anchor: -1, pinned: soft ? -1 : pinned, soft: false });
      this.prose.reveal(i, { page: true });
      this.tip.show(i);
    }

    extendTo(i) {
      const { anchor, cursor, pinned } = this.place.state;
      const from = anchor >= 0 ? anchor : cursor >= 0 ? cursor : pinned >= 0 ? pinned : i;
      this.setSpan(from, i);
      this.place.set({ cursor: i });
      this.prose.reveal(i, { page: true });
      this.tip.hide();
    }

    /** A span of tokens from one end to the other, in either order. */
    setSpan(from, to) {
      const span = [Math.min(from, to), Math.max(from, to)];
      this.place.set({ anchor: from, span, pinned: this.subject() < 0 ? to : this.place.state.pinned });
      this.say(`${span[1] - span[0] + 1} tokens, ${span[0] + 1} to ${span[1] + 1}`);
    }

    /** Pins a token into the inspector and tells the page; how: "click", "key", "chart" or "table". */
    pin(i, how) {
      if (!this.trace.tokens[i]) return;
      this.place.set({ pinned: i, soft: false, cursor: i, span: null, anchor: -1 });
      this.prose.reveal(i, { page: how === "key" });
      if (how !== "click") this.tip.hide();
      this.say(`Pinned ${this.spoken(i)}`);
      this.emit("token_select", { index: i, how });
    }

    /** To the next (1) or previous (-1) marked token. */
    jump(direction) {
      const { cursor, pinned } = this.place.state;
      let i = cursor >= 0 ? cursor : pinned;
      if (i < 0 && direction < 0) i = this.trace.length;
      for (i += direction; i >= 0 && i < this.trace.length; i += direction) if (this.hot[i]) return this.moveTo(i);
      this.say(direction > 0 ? "No marked token after this one." : "No marked token before this one.");
    }

    /** One step back: help, tooltip, span, then the pin. */
    letGo() {
      if (!this.help.hidden) return this.toggleHelp();
      this.tip.hide();
      if (this.place.state.span) this.place.set({ span: null, anchor: -1 });
      else if (this.place.state.pinned >= 0) this.place.set({ pinned: -1, soft: false });
    }

    hideTip() {
      this.tip.hide();
    }
    toggleHelp() {
      this.help.hidden = !this.help.hidden;
      this.status.foot.querySelector(".fl-help-button").setAttribute("aria-expanded", String(!this.help.hidden));
    }

    // ---- words and messages

    /** A token as a screen reader should say it. */
    spoken(i) {
      const entry = this.trace.score(this.view.state.score);
      const parts = [this.trace.label(i), `token ${i + 1} of ${this.trace.length}`];
      if (entry) parts.splice(1, 0, `${entry.label} ${readout.valueText(this.trace, entry, this.trace.value(i, entry.name), this.view.state.bits)}`);
      if (this.hot[i]) parts.push("marked");
      return parts.join(", ").replaceAll(format.NA, "not available");
    }

    say(text) {
      this.live.textContent = Forklore.dom.shown(text);
    }

    emit(type, detail) {
      this.trigger(type, { ...detail, run: this.trace.run });
    }

    /** Keeps ?run= and ?tok= of a stored run in the address bar; while a branch is written, those of the run it leaves. */
    address() {
      if (!this.props.deeplink || !this.trace.header || !location.protocol.startsWith("http")) return;
      const url = new URL(location.href);
      // an annotator's address is theirs; a link that leads nowhere stays as it is beside what the page shows instead
      if (url.searchParams.has("annotate")) return;
      this.opening = this.opening || { run: this.trace.run, asked: url.searchParams.get("run") };
      const { run, asked } = this.opening;
      if (asked && asked !== run && run === this.trace.run) return;
      for (const key of ["run", "tok"]) url.searchParams.delete(key);
      const known = this.trace.stored ? this.trace.run : this.trace.parent && !this.trace.parent.gone ? this.trace.parent.uid : "";
      if (known) url.searchParams.set("run", known);
      if (this.trace.stored && this.place.state.pinned >= 0 && !this.place.state.soft) url.searchParams.set("tok", String(this.place.state.pinned));
      if (url.href === location.href) return;
      // another run is another page to go back to; another token of it is not
      const before = new URLSearchParams(location.search).get("run");
      if (before && before !== url.searchParams.get("run")) history.pushState(history.state, "", url);
      else history.replaceState(history.state, "", url);
    }
  }

  /** Draws the instrument into `element`; props.value is the document, props.deeplink turns the address bar on. */
  Forklore.mountExplorer = (options) => {
    const explorer = new Explorer(options);
    const timed = (act) => {
      const began = performance.now();
      act();
      void explorer.root.getBoundingClientRect().height;
      return performance.now() - began;
    };
    /** Milliseconds, layout included, for drawing a document and for tinting the drawn one by another score. */
    Forklore.measure = {
      draw: (text) => { explorer.load(""); return timed(() => explorer.load(text)); },
      recolour: (score) => timed(() => explorer.view.set({ score })),
    };
    return explorer;
  };
})();
