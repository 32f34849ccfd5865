// What is said around the text: the sentence on top, whose run it is, the prompt, waiting and empty states, the line under the text.
// Reads the run's state; changes nothing but words.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const UNUSUAL = { stopped: "Stopped here; what was written until then is kept.", failed: "It broke off here; what was written until then is kept." };
  const FOREIGN = "Shared with you: this run stays its owner's. What you branch from it is yours.";
  const ENDS = { stop: "ended by the model", length: "reached its limit of tokens", stop_string: "ended by a stop string" };

  class Status {
    constructor(context) {
      this.context = context;
      this.state = "empty";
      this.began = 0;
      this.sentence = el("p", { class: "fl-say", hidden: true });
      this.foreign = el("p", { class: "fl-foreign", hidden: true, text: FOREIGN });
      this.promptText = el("bdi");
      this.prompt = el("details", { class: "fl-prompt", hidden: true }, el("summary", {}, el("span", { class: "fl-prompt-label", text: "Prompt" }), this.promptText));
      this.message = el("div", { class: "fl-message" });
      this.marks = el("span");
      this.more = dom.button("Continue", () => this.goOn(), { class: "fl-button fl-continue", hidden: true, title: "Go on writing this answer where it ended" });
      this.words = el("span");
      this.line = el("p", { class: "fl-line" }, this.marks, this.more, this.words);
      this.foot = el("div", { class: "fl-foot" }, this.line);
    }

    update() {
      this.state = this.name();
      this.showSentence();
      this.showForeign();
      this.showPrompt();
      this.showMessage();
      this.showLine();
    }

    /** empty, queued, loading, streaming, finished, stopped, failed ... */
    name() {
      const { trace } = this.context;
      if (trace.state && !trace.header) return trace.state.state;
      if (!trace.header) return "empty";
      return trace.done ? trace.done.status : "streaming";
    }

    /** The sentence; where it quotes the token it is about, the quotation leads there. */
    showSentence() {
      const { trace } = this.context;
      const note = trace.header ? trace.header.note || "" : "";
      const at = trace.header ? trace.header.select : null;
      const key = `${note}|${at}|${trace.length}`;
      this.sentence.hidden = !note;
      if (key === this.said) return;
      this.said = key;
      const quoted = Number.isInteger(at) && trace.tokens[at] ? `“${trace.tokens[at].t.trim()}”` : "";
      const cut = quoted.length > 2 ? note.indexOf(quoted) : -1;
      this.sentence.replaceChildren();
      if (cut < 0) return Forklore.fillText(this.sentence, note);
      Forklore.fillText(this.sentence, note.slice(0, cut + 1));
      const link = el("button", { type: "button", class: "fl-say-token", title: "Show this token", onclick: () => this.context.pin(at, "click") });
      Forklore.fillText(link, quoted.slice(1, -1));
      this.sentence.append(link);
      Forklore.fillText(this.sentence, note.slice(cut + quoted.length - 1));
    }

    /** Whose run it is, where it is not the reader's; a page that was saved may be read by anybody. */
    showForeign() {
      const { trace, props } = this.context;
      this.foreign.hidden = !(props.sharing && trace.header?.foreign);
    }

    showPrompt() {
      const { header } = this.context.trace;
      const text = header ? header.prompt || "" : "";
      this.prompt.hidden = !text;
      if (text === this.prompted) return;
      this.prompted = text;
      this.prompt.open = false;
      this.promptText.replaceChildren();
      Forklore.fillText(this.promptText, text);
    }

    showMessage() {
      const { trace, prose } = this.context;
      const waits = Boolean(trace.state) && !trace.header;
      prose.box.hidden = !trace.length;
      this.message.hidden = trace.length > 0;
      this.message.className = `fl-message${waits && (this.state === "queued" || this.state === "loading") ? " fl-waits" : ""}${this.state === "failed" ? " fl-failed" : ""}`;
      if (trace.length) return this.message.replaceChildren();
      if (waits) return this.message.replaceChildren(el("p", { role: "status", text: trace.state.text }));
      if (trace.streaming) return this.message.replaceChildren(el("p", { text: trace.header.kind === "scored" ? "Reading the text…" : "Reading the prompt…" }));
      if (trace.done) return this.message.replaceChildren(el("p", { text: trace.done.problem || "This run has no tokens." }));
      this.message.replaceChildren(
        el("p", { class: "fl-empty-title" }, "Each word appears tinted by how torn the model was: ",
          ...[["sure", 0], ["leaning", 14], ["torn", 28]].flatMap(([word, level]) => [el("span", { class: `fl-w fl-h${level}`, text: word }), " "])),
        el("p", { class: "fl-empty-hint", text: this.context.props.hint || "Open an example, or write a prompt and press Generate." }));
    }

    showLine() {
      const { trace } = this.context;
      this.foot.hidden = !trace.length;
      if (!trace.length) { this.began = 0; return; }
      const parts = [`${format.count(trace.length)} token${trace.length === 1 ? "" : "s"}`];
      if (trace.done) parts.push(...this.ended());
      else parts.push(...this.running());
      this.marks.replaceChildren(...this.unusual());
      this.more.hidden = !this.unfinished();
      this.words.className = trace.done ? "" : "fl-running";
      this.words.textContent = Forklore.dom.shown(parts.filter(Boolean).join(" · "));
    }

    /** Whether the run on show can go on: written here, kept, nobody else's, and not ended by itself. */
    unfinished() {
      const { trace, props } = this.context;
      if (!props.continues || !trace.stored || trace.header.kind !== "generation" || trace.header.example || trace.header.foreign) return false;
      return Boolean(UNUSUAL[trace.done.status] || trace.done.reason === "length" || trace.done.problem);
    }

    goOn() {
      this.context.say("Going on with this answer.");
      this.context.emit("run_continue", {});
    }

    /** Speed as it is seen here, from the second frame on. */
    running() {
      const { trace } = this.context;
      // an earlier answer stays on show while its continuation waits for the model
      if (trace.state) return [trace.state.text];
      const now = performance.now();
      if (!this.began || trace.length < this.from) [this.began, this.from] = [now, trace.length];
      const elapsed = (now - this.began) / 1000;
      const speed = elapsed > 0.4 ? `${format.number((trace.length - this.from) / elapsed, 2)} tokens/s` : "";
      return [speed, trace.header.kind === "scored" ? "scoring" : "writing", this.waiting()];
    }

    /** Who waits for this to end: other people, other pages of one's own. */
    waiting() {
      const { waiting, pages } = this.context.trace;
      const who = [waiting ? `${waiting} ${waiting === 1 ? "person" : "people"}` : "", pages ? (pages === 1 ? "another page of yours" : `${pages} other pages of yours`) : ""].filter(Boolean);
      return who.length ? `${who.join(" and ")} ${waiting + pages === 1 ? "waits" : "wait"} for this to end` : "";
    }

    ended() {
      const { trace } = this.context;
      this.began = 0;
      const { done } = trace;
      const timed = format.exists(done.seconds) && done.seconds > 0;
      return [timed ? format.seconds(done.seconds) : "", timed ? `${format.number(trace.length / done.seconds, 3)} tokens/s` : "", this.unfinished() ? "" : ENDS[done.reason] || "", ...this.figures()];
    }

    /** Two figures worth a glance; the rest stands in Summary. */
    figures() {
      const { trace, view } = this.context;
      return ["perplexity", "mean_entropy"].map((name) => (trace.done.summary || []).find((figure) => figure.name === name))
        .filter((figure) => figure && format.exists(figure.value)).map((figure) => `${figure.label.toLowerCase()} ${Forklore.readout.bound(figure)}${format.quantity(figure.value, figure.unit, view.state.bits, 3)}`);
    }

    unusual() {
      const { trace } = this.context;
      const out = [];
      if (trace.done && (UNUSUAL[trace.done.status] || trace.done.problem)) {
        out.push(el("strong", { class: `fl-ended fl-ended-${trace.done.status}`, text: trace.done.problem || UNUSUAL[trace.done.status] }));
      } else if (this.unfinished()) out.push(el("strong", { class: "fl-ended", text: "It reached its limit of tokens." }));
      if (trace.header.bounds) out.push(el("span", { class: "fl-bounds", text: "Values with ≥ are lower bounds: only the most likely tokens are known." }));
      return out;
    }
  }

  Forklore.Status = Status;
})();
