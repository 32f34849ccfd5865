// The Results view: the list of annotation sessions, one session in its parts, a new session; one of them at a time.
// Asks the server by Forklore.server; does not know how sessions are kept or labelled.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const SAID_MS = 6000;

  /** One line at the foot of the window: what was done, with an action such as Undo, or why something was refused. */
  class Said {
    constructor() {
      this.words = el("span", {});
      this.act = dom.button("", null, { hidden: true });
      this.root = el("div", { class: "fl-rs-said", role: "status", hidden: true }, this.words, this.act,
        el("button", { type: "button", class: "fl-rs-close", text: "×", "aria-label": "Close this message", onclick: () => this.hide() }));
      this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") this.hide(); });
    }

    show(text, more) {
      clearTimeout(this.timer);
      const action = more && more.run ? more : null;
      this.root.hidden = false;
      this.root.classList.toggle("fl-rs-refused", more === true);
      this.words.textContent = Forklore.dom.shown(text);
      this.act.hidden = !action;
      this.act.textContent = action ? action.label : "";
      this.act.onclick = action ? () => { this.hide(); action.run(); } : null;
      // what was refused and what can be undone stays until it is read
      if (!more) this.timer = setTimeout(() => this.hide(), SAID_MS);
    }

    hide() { this.root.hidden = true; }
  }

  class Results {
    constructor(root, trigger) {
      Object.assign(this, { root, trigger, link: "" });
      this.said = new Said();
      this.host = el("div", { class: "fl-rs-view" });
      root.replaceChildren(this.host, this.said.root);
      this.say = (text, more) => this.said.show(text, more);
      this.list();
    }

    /** Asks the server by name. */
    call(name, ...args) {
      return Forklore.server.call(name, ...args);
    }

    /** Shows another view. focus: its heading is where a reader goes on, except at the very beginning. */
    show(node, uid = "") {
      const moved = this.host.contains(document.activeElement);
      this.host.replaceChildren(node);
      this.address(uid);
      const title = this.host.querySelector("h2");
      if (moved && title) title.focus({ preventScroll: true });
      if (moved && this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
    }

    list() {
      this.at = "list";
      this.show(Forklore.resultsList(this));
    }

    create() {
      this.at = "new";
      this.show(Forklore.sessionNew(this));
    }

    open(uid, overview = null) {
      this.at = uid;
      this.show(new Forklore.SessionView(this, uid, overview).root, uid);
    }

    /** A session has an address of its own; only while this view is the one on show. */
    address(uid) {
      if (!this.root.getClientRects().length) return;
      const url = new URL(location.href);
      if ((url.searchParams.get("session") || "") === uid) return;
      // a labelling link is the only way back in for whoever came by it
      const kept = Object.entries({ annotate: this.link, session: uid }).filter(([, value]) => value);
      url.search = new URLSearchParams(kept).toString();
      history.replaceState(history.state, "", url);
    }
  }

  Forklore.mountResults = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-results");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Results of annotation sessions");
    const results = new Results(root, trigger);
    let told = null;
    const draw = () => {
      const text = props.value || "";
      if (text === told) return;
      told = text;
      const { open, link } = text ? JSON.parse(text) : {};
      if (!open) return;
      results.link = link || "";
      results.open(open);
    };
    watch("value", draw);
    draw();
    return results;
  };
})();
