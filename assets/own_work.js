// What is one's own: who may see a run, how long work is kept, and deleting it for good.
// Asks the app's named endpoints; does not know how runs are drawn or listed.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const PRIVATE = "Only you can see this run.";
  const SHARED = "Whoever has the link can open this run and branch from it. Nobody else can change it, and no list shows it.";
  const FOREIGN = "Somebody shared this run with you by its link. You can branch from it; it stays theirs.";
  const EXAMPLE = "This example comes with the page; everybody sees it.";

  const runs = (count) => (count === 1 ? "1 run" : `${format.count(count)} runs`);
  const branches = (count) => (count === 1 ? "1 branch" : `${format.count(count)} branches`);
  const whatGoes = (count) => `This cannot be undone. ${count === 1 ? "Its text, its scores and every analysis of it" : "Their texts, their scores and every analysis of them"} go at once, and ${count === 1 ? "a link to it opens" : "links to them open"} nothing any more.`;
  const whatStays = (count, of) => `You made ${branches(count)} of ${of === 1 ? "it" : "them"}; ${count === 1 ? "it keeps all its tokens if it stays" : "those keep all their tokens if they stay"}.`;
  const linkOf = (uid) => { const url = new URL("./", location.href); url.searchParams.set("run", uid); return url.href; };
  const sentence = (error) => (error && error.sentence) || "Something went wrong; try again.";

  /** A small window with a heading, words and buttons; away with Escape. */
  class Ask {
    constructor(heading) {
      const id = dom.uid("fl-ask");
      this.words = el("div", { class: "fl-ask-words" });
      this.said = el("p", { class: "fl-ask-said", role: "status" });
      this.buttons = el("div", { class: "fl-ask-buttons" });
      this.root = el("dialog", { class: "fl-ask", "aria-labelledby": id }, el("h2", { id, text: heading }), this.words, this.said, this.buttons);
      this.root.addEventListener("close", () => this.root.remove());
      // keys here are not those of the page
      this.root.addEventListener("keydown", (event) => event.stopPropagation());
      this.root.addEventListener("click", (event) => { if (event.target === this.root) this.root.close(); });
    }

    /** Beside the piece that asks, so that it wears the page's colours. */
    open(beside) {
      beside.append(this.root);
      this.root.showModal();
    }

    show(words, buttons, said = "") {
      this.words.replaceChildren(...words.map((text) => (typeof text === "string" ? el("p", { text }) : text)));
      this.buttons.replaceChildren(...buttons.filter(Boolean), el("button", { type: "button", class: "fl-button", text: "Close", onclick: () => this.root.close() }));
      this.said.textContent = Forklore.dom.shown(said);
    }

    button(text, act, className = "") {
      const node = el("button", { type: "button", class: `fl-button ${className}`, text });
      node.addEventListener("click", async () => {
        node.disabled = true;
        try { await act(); } catch (error) { this.said.textContent = Forklore.dom.shown(sentence(error)); }
        node.disabled = false;
      });
      return node;
    }
  }

  /** Who may see one run, and its link. */
  class Sharing extends Ask {
    constructor(uid, changed = () => {}) {
      super("Share this run");
      this.uid = uid;
      this.changed = changed;
      this.show(["One moment …"], []);
      Forklore.server.call("run_access", uid).then((state) => this.draw(state), (error) => this.show([sentence(error)], []));
    }

    draw(state, said = "") {
      if (state.example) return this.show([EXAMPLE], [this.copies()], said);
      if (!state.mine) return this.show([FOREIGN], [this.copies()], said);
      const change = async (shared) => {
        const after = await Forklore.server.call("share_run", this.uid, shared);
        this.changed(this.uid, after.shared);
        return after;
      };
      const share = async () => { const after = await change(true); this.draw(after); await this.copy(); };
      const stop = async () => this.draw(await change(false), "The link opens nothing any more, except for you.");
      this.show([state.shared ? SHARED : PRIVATE, ...(state.shared ? [this.link()] : [])],
        state.shared ? [this.copies(), this.button("Stop sharing", stop)] : [this.button("Share by link", share, "fl-ask-main")], said);
      this.root.dataset.shared = String(state.shared);
    }

    link() {
      const field = el("input", { class: "fl-ask-link", readonly: true, value: linkOf(this.uid), "aria-label": "Link of this run" });
      field.addEventListener("focus", () => field.select());
      return field;
    }

    copies() {
      return this.button("Copy the link", () => this.copy(), "fl-ask-main");
    }

    async copy() {
      try {
        await navigator.clipboard.writeText(linkOf(this.uid));
        this.said.textContent = "Link copied.";
      } catch { this.said.textContent = "Copy the link from the line above."; }
    }
  }

  /** Who may see several runs of one's own, with their links. runs: rows of the library. */
  class SharingSome extends Ask {
    constructor(rows, changed) {
      super(`Share ${runs(rows.length)}`);
      this.states = rows.map((run) => ({ uid: run.uid, name: Forklore.libraryRows.nameOf(run), shared: run.shared }));
      this.changed = changed;
      this.draw();
    }

    draw(said = "") {
      const open = this.states.filter((run) => run.shared);
      const list = el("ul", { class: "fl-ask-runs" }, this.states.map((run) => el("li", {}, el("bdi", { text: run.name }), run.shared ? el("a", { href: linkOf(run.uid), text: linkOf(run.uid) }) : el("span", { text: "only you" }))));
      const words = !open.length ? "Only you can see these runs." : open.length < this.states.length ? `${format.count(open.length)} of them can be opened by their links, by whoever has one.` : "Whoever has a run's link can open it and branch from it. Nobody else can change it, and no list shows it.";
      this.show([words, list], [
        open.length < this.states.length ? this.button("Share by links", () => this.set(true), "fl-ask-main") : null,
        open.length ? this.button("Copy the links", () => this.copy(), "fl-ask-main") : null, open.length ? this.button("Stop sharing", () => this.set(false)) : null,
      ], said);
    }

    /** One after the other; what was done stays done when one of them is refused. */
    async set(shared) {
      try {
        for (const run of this.states.filter((one) => one.shared !== shared)) {
          run.shared = (await Forklore.server.call("share_run", run.uid, shared)).shared;
          this.changed(run.uid, run.shared);
        }
        this.draw(shared ? "" : "The links open nothing any more, except for you.");
      } catch (error) { this.draw(sentence(error)); }
    }

    async copy() {
      const links = this.states.filter((run) => run.shared).map((run) => linkOf(run.uid)).join("\n");
      this.said.textContent = (await dom.copyText(links)) ? "Links copied." : "Copy the links from the lines above.";
    }
  }

  /** Asks about one run of the library or several; changed(uid, shared) is told of each. */
  function share(rows, beside, changed) {
    const ask = rows.length === 1 ? new Sharing(rows[0].uid, changed) : new SharingSome(rows, changed);
    ask.open(beside);
    return ask.root;
  }

  /** The button beside the instrument's tools. trace: what is on show. */
  function shareButton(trace, beside) {
    return dom.button("Share", () => {
      if (trace().stored) new Sharing(trace().run).open(beside);
    }, { class: "fl-button fl-share", title: "Who can see this run" });
  }

  /** The library's line about what is one's own, and the menu that stands among its tools. list: {own() -> uids selected, gone(said)}. */
  class OwnLine {
    constructor(list) {
      this.list = list;
      this.kept = el("span", { class: "fl-own-kept", role: "status" });
      this.menu = Forklore.controls.menu({ label: "Delete for good", title: "Delete for good", className: "fl-lib-quiet", items: () => this.choices() });
      this.menu.root.classList.add("fl-own-menu");
      this.root = el("div", { class: "fl-own" }, this.kept);
    }

    async update() {
      let kept;
      try { kept = await Forklore.server.call("kept_until"); } catch { return; }
      if (kept.known === false) {
        this.kept.textContent = "This browser keeps no cookies here: your work is yours for as long as this page is open. Export what you want to keep.";
        return;
      }
      const days = kept.days === 1 ? "a day" : `${kept.days} days`;
      const first = kept.until ? `; the first goes on ${new Date(kept.until).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}` : "";
      this.kept.textContent = kept.days ? `Your work is kept for ${days} after its last change, for this browser alone${first}.` : "";
    }

    choices() {
      const uids = this.list.own();
      return [
        { label: uids.length ? `The selected ${uids.length === 1 ? "run" : runs(uids.length)} …` : "Selected runs …", hint: uids.length ? "past the bin, with or without branches" : "select runs of yours first", disabled: !uids.length, run: () => this.deleteSelected(uids) },
        { label: "Everything of mine …", hint: "runs, analyses, trees and annotation sessions", run: () => this.deleteAll() },
      ];
    }

    async deleteSelected(uids) {
      const ask = new Ask(`Delete ${runs(uids.length)} for good`);
      ask.show(["One moment …"], []);
      ask.open(this.root);
      const go = (whole) => async () => { const gone = await Forklore.server.call("delete_runs", uids, whole); ask.root.close(); this.done(gone); };
      try {
        const count = await Forklore.server.call("count_branches", uids);
        ask.show([whatGoes(uids.length), ...(count ? [whatStays(count, uids.length)] : [])],
          [count ? ask.button(`Delete with ${branches(count)}`, go(true), "fl-ask-danger") : null, ask.button(count ? `Delete without ${count === 1 ? "the branch" : "branches"}` : "Delete for good", go(false), "fl-ask-danger")]);
      } catch (error) { ask.show([sentence(error)], []); }
    }

    deleteAll() {
      const ask = new Ask("Delete everything of mine");
      const word = el("input", { class: "fl-ask-link", "aria-label": "Type everything to confirm", autocomplete: "off", spellcheck: "false" });
      const go = ask.button("Delete everything", async () => {
        const typed = word.value.trim().toLowerCase();
        if (typed !== "everything") throw new Forklore.server.ServerError("Confirm it with the word “everything”.");
        const gone = await Forklore.server.call("delete_everything", typed);
        ask.root.close();
        this.done(gone.runs, gone.sessions);
      }, "fl-ask-danger");
      ask.show(["All your runs, analyses, trees and annotation sessions go for good, at once. This cannot be undone.", "What you labelled in sessions of others stays there without your name; branches that others made keep their own copy.", "Type “everything” to confirm:", word], [go]);
      ask.open(this.root);
    }

    done(count, sessions = 0) {
      this.list.gone(`Deleted ${runs(count)}${sessions ? ` and ${format.count(sessions)} annotation session${sessions === 1 ? "" : "s"}` : ""} for good.`);
      this.update();
    }
  }

  Forklore.ownWork = { share, shareButton, OwnLine };
})();
