// The line above an item: how far one is, what is saved, the way to guidelines, keys and other items; and what went wrong.
// Reads the desk; reports wishes.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, annotationWords: words } = Forklore;
  const { el } = dom;
  const SLOW_MS = 400;

  class Bar {
    /** acts: {home(), guidelines(), keys(), neighbour(way), say(text)}. */
    constructor(desk, acts) {
      Object.assign(this, { desk, acts, failing: false, slow: 0 });
      const { session } = desk;
      this.done = el("span", { class: "fl-an-done" });
      this.meter = el("progress", { class: "fl-an-meter", "aria-label": "Items done" });
      this.place = el("span", { class: "fl-an-place" });
      this.saved = el("span", { class: "fl-an-saved" });
      this.retry = dom.button("Retry", () => desk.outbox.retry(), { class: "fl-button fl-an-retry", hidden: true });
      this.previous = dom.button("‹", () => acts.neighbour(-1), { "aria-label": "Previous item of mine", "aria-keyshortcuts": "[", title: "Previous item of mine ([)" });
      this.following = dom.button("›", () => acts.neighbour(1), { "aria-label": "Next item of mine", "aria-keyshortcuts": "]", title: "Next item of mine (])" });
      this.refused = el("div", { class: "fl-an-refused", role: "alert", hidden: true });
      this.root = el("header", { class: "fl-an-bar" },
        el("div", { class: "fl-an-bar-row" }, el("h2", { class: "fl-an-title", text: session.title }), el("span", { class: "fl-an-me", text: session.me, title: "The name under which your labels are kept" }),
          el("span", { class: "fl-an-grow" }), this.saved, this.retry),
        el("div", { class: "fl-an-bar-row" }, this.previous, this.place, this.following, this.meter, this.done, el("span", { class: "fl-an-grow" }),
          dom.button("Guidelines", () => acts.guidelines()), dom.button("Keys", () => acts.keys(), { "aria-keyshortcuts": "?", title: "Keys (?)" }), acts.home ? dom.button("All sessions", () => acts.home()) : null),
        this.refused);
    }

    update() {
      const { desk } = this;
      const { done, total, skipped } = desk.progress;
      this.done.textContent = `${format.count(done)} of ${format.count(total)} done${skipped ? `, ${format.count(skipped)} skipped` : ""}`;
      Object.assign(this.meter, { max: Math.max(1, total), value: Math.min(done + (skipped || 0), total) });
      const { item } = desk;
      this.place.textContent = item ? `Item ${format.count(item.place)}${item.part === "training" ? " (training)" : ""}` : "";
      for (const [button, way] of [[this.previous, -1], [this.following, 1]]) button.setAttribute("aria-disabled", String(!item || desk.busy || !desk.neighbour(way)));
      this.saving();
      this.drawRefused();
    }

    /** Saved, being saved (said only where it takes a while, so that nothing flickers), or not saved. */
    saving() {
      const { outbox } = this.desk;
      const failing = Boolean(outbox.problem) && outbox.unsent > 0;
      this.retry.hidden = !failing;
      this.saved.classList.toggle("fl-an-failing", failing);
      clearTimeout(this.slow);
      if (failing && outbox.held) {
        this.saved.textContent = words.kept(outbox.unsent);
        this.saved.title = "";
      } else if (failing) {
        this.saved.textContent = "Not saved – trying again";
        this.saved.title = Forklore.dom.shown(outbox.problem);
        if (!this.failing) this.acts.say(`Not saved, trying again. ${outbox.problem}`);
      } else if (outbox.unsent) this.slow = setTimeout(() => { if (outbox.unsent && !outbox.problem) this.saved.textContent = "Saving …"; }, SLOW_MS);
      else {
        this.saved.textContent = outbox.savedAt ? `Saved ${words.clock(outbox.savedAt)}` : "";
        this.saved.title = "";
        if (this.failing) this.acts.say("Saved.");
      }
      this.failing = failing;
    }

    drawRefused() {
      const { outbox, schema } = this.desk;
      const { refused } = outbox;
      const shut = outbox.held && outbox.unsent ? outbox.problem : "";
      const key = JSON.stringify([refused.length, shut]);
      if (this.drawn === key) return;
      this.drawn = key;
      this.refused.hidden = !refused.length && !shut;
      this.refused.replaceChildren(shut ? el("p", {}, el("bdi", { text: shut })) : "", ...refused.map(({ event, sentence }) => el("p", {}, el("bdi", { text: `${words.deed(event, schema)} was not taken: ` }), el("bdi", { text: sentence }))),
        refused.length ? dom.button("Close", () => outbox.forgive()) : "");
    }
  }

  Forklore.AnnotationBar = Bar;
})();
