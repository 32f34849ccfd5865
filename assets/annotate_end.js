// What closes an item: comment, flag, skipping with a reason, submitting; and what a training item says afterwards.
// Reports wishes; does not know where they go.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const REASONS = ["I do not know enough to judge this", "The guidelines do not say what to do here", "The text is damaged or cannot be read", "I would rather not read this"];
  const MOST_REASON = 1000;
  const NARROW_NO = "Say why, or choose one of the reasons.";

  class End {
    /** acts: {comment(text), flag(on), skip(reason), submit()}. */
    constructor(acts) {
      this.acts = acts;
      this.flagged = false;
      const label = dom.uid("fl-an-comment");
      this.draft = new Forklore.AnnotationDraft({ rows: 2, id: label, told: (text) => acts.comment(text), placeholder: "Anything the owner of the session should know" });
      this.flag = dom.button("Flag", () => acts.flag(!this.flagged), { class: "fl-button fl-an-flag", "aria-keyshortcuts": "f", title: "Mark the item for the owner to look at (f)" });
      this.skip = dom.button("Skip …", () => this.toggleSkip(), { "aria-expanded": "false", "aria-keyshortcuts": "s", title: "Skip with a reason (s)" });
      this.submit = dom.button("Submit", () => acts.submit(), { class: "fl-button fl-an-primary", "aria-keyshortcuts": "Control+Enter", title: "Ctrl + Enter" });
      this.lacks = el("p", { class: "fl-an-lacking", role: "alert" });
      this.standing = el("p", { class: "fl-an-soft fl-an-standing" });
      this.reasons = this.buildReasons();
      this.root = el("div", { class: "fl-an-end" },
        el("div", { class: "fl-an-question" }, el("label", { class: "fl-an-question-title", for: label, text: "Comment" }), this.draft.field),
        this.standing, this.lacks, el("div", { class: "fl-an-acts" }, this.flag, this.skip, el("span", { class: "fl-an-grow" }), this.submit), this.reasons);
    }

    buildReasons() {
      const id = dom.uid("fl-an-reasons");
      this.skip.setAttribute("aria-controls", id);
      this.other = el("input", { type: "text", class: "fl-an-field", maxlength: MOST_REASON, "aria-label": "Another reason", placeholder: "Another reason" });
      const own = el("form", { class: "fl-an-other-reason", onsubmit: (event) => {
        event.preventDefault();
        const reason = this.other.value.trim();
        if (reason) this.choose(reason);
        else { this.other.focus(); this.lacks.textContent = NARROW_NO; }
      } }, this.other, el("button", { type: "submit", class: "fl-button", text: "Skip" }));
      const root = el("div", { class: "fl-an-reasons", id, role: "group", "aria-label": "Why is this item skipped?", hidden: true },
        el("p", { class: "fl-an-soft", text: "Why is this item skipped?" }), REASONS.map((reason) => dom.button(reason, () => this.choose(reason))), own);
      root.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.toggleSkip(false);
        this.skip.focus();
      });
      return root;
    }

    choose(reason) {
      this.toggleSkip(false);
      this.acts.skip(reason);
    }

    toggleSkip(open = this.reasons.hidden) {
      this.reasons.hidden = !open;
      this.skip.setAttribute("aria-expanded", String(open));
      this.lacks.textContent = "";
      if (!open) return;
      this.other.value = "";
      this.reasons.querySelector("button").focus();
      this.reasons.scrollIntoView({ block: "nearest" });
    }

    flush() { this.draft.flush(); }

    warn(sentence) { this.lacks.textContent = Forklore.dom.shown(sentence); }

    lack(titles) {
      this.lacks.textContent = Forklore.dom.shown(titles.length ? `Not yet answered: ${titles.join("; ")}` : "");
    }

    /** reset: another item is on the desk. told: the item was submitted and its feedback, if it has any, is on show. */
    update(state, { reset, busy, training }) {
      if (reset) { this.draft.reset(state.comment); this.lack([]); this.toggleSkip(false); }
      else this.draft.set(state.comment);
      this.flagged = state.flag;
      this.flag.setAttribute("aria-pressed", String(state.flag));
      this.flag.firstChild.data = state.flag ? "Flagged" : "Flag";
      const settled = state.status === "submitted" || state.status === "skipped";
      this.submit.textContent = settled ? "Next item" : "Submit";
      this.submit.setAttribute("aria-disabled", String(busy));
      this.skip.hidden = settled;
      this.standing.textContent = state.status === "submitted" ? "Submitted. A change opens the item again; submit it once more then."
        : state.status === "skipped" ? `Skipped: ${state.reason}` : training ? "Training: once submitted, you are told what was expected." : "";
    }
  }

  /** What a training item says once it was submitted. */
  function feedback(found) {
    if (!found) return null;
    const all = found.right === found.of;
    return el("section", { class: `fl-an-feedback${all ? " fl-an-well" : ""}`, role: "status" },
      el("h3", { text: all ? "As expected" : `${found.right} of ${found.of} as expected` }), el("ul", {}, found.lines.map((line) => el("li", {}, el("bdi", { text: line })))));
  }

  Object.assign(Forklore, { AnnotationEnd: End, annotationFeedback: feedback });
})();
