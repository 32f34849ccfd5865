// The annotator's page: which of its views is on show, and how one leads to the next.
// Knows the answers of the annotator's endpoints; does not draw tokens and does not know where labels are kept.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, annotationPages: pages } = Forklore;

  /** The version of the guidelines that somebody last read in this browser; NaN where that is not known. */
  const readKey = ({ session, me }) => `forklore-guidelines ${session} ${me}`;
  const lastRead = (session) => {
    try { return parseInt(localStorage.getItem(readKey(session)), 10); } catch { return NaN; }
  };
  const keepRead = (session) => {
    try { localStorage.setItem(readKey(session), String(session.guidelines_version)); } catch { /* a private window keeps nothing */ }
  };

  class Annotate {
    constructor(root, trigger) {
      Object.assign(this, { root, trigger, desk: null, view: null, turn: 0, link: "" });
    }

    show(node) { this.root.replaceChildren(node); }

    /** Lets go of the session that is open, if any. */
    leave() {
      this.turn += 1;
      this.view?.close();
      this.desk?.close();
      Object.assign(this, { desk: null, view: null });
    }

    /** Asks the server and draws what came, unless something else was wished for meanwhile. */
    async ask(call, drawn, again) {
      const turn = (this.turn += 1);
      try {
        const found = await call();
        if (turn === this.turn) drawn(found);
      } catch (error) {
        if (!error.sentence) throw error;
        if (turn === this.turn) this.show(pages.refusal(error.sentence, { again: error.again ? again : null, back: () => this.home() }));
      }
    }

    home() {
      this.leave();
      const acts = { open: (session) => this.open(session, ""), show: (session) => this.trigger("session_show", { session }) };
      if (!this.root.querySelector(".fl-an-sessions")) this.show(pages.opening());
      return this.ask(() => Forklore.server.call("my_annotations"), (rows) => this.show(pages.list(rows, acts)), () => this.home());
    }

    /** A session by its uid, or by the secret of a labelling link, which knows its session. */
    open(session, link) {
      this.leave();
      this.link = link;
      this.show(pages.opening());
      return this.ask(() => Forklore.server.call("open_annotation", session, link), (found) => this.entered(found), () => this.open(session, link));
    }

    entered(session) {
      this.session = session;
      if (!session.guidelines_read) return this.guide();
      const read = lastRead(session);
      if (read < session.guidelines_version) session.guidelines_version = read;
      else keepRead(session);
      this.work();
    }

    get back() { return this.link ? null : () => this.home(); }

    guide() {
      const begin = async (answers) => {
        if (this.session.guidelines_read) return this.work();
        const found = await Forklore.server.call("begin_annotating", this.session.session, answers, this.link);
        // what was read is what stood here, even if it was changed since
        keepRead({ ...found, guidelines_version: this.session.guidelines_version });
        this.entered(found);
      };
      this.show(pages.guidelines(this.session, { begin, back: this.back }));
      this.root.querySelector("h2")?.scrollIntoView({ block: "nearest" });
    }

    work() {
      this.leave();
      const desk = new Forklore.AnnotationDesk(this.session, this.link, (what) => { if (desk === this.desk) this.changed(what); });
      this.desk = desk;
      this.view = new Forklore.AnnotationItem(desk, { home: this.back, guidelines: () => this.reread() });
      this.show(pages.opening());
      desk.next();
    }

    /** The guidelines again, as they are by now; the item stays where it is. */
    async reread() {
      const { desk, view } = this;
      view.flush();
      const found = await Forklore.server.call("open_annotation", desk.session.session, this.link).catch((error) => {
        if (!error.sentence) throw error;
        return desk.session;
      });
      if (desk !== this.desk) return;
      Object.assign(desk.session, { guidelines: found.guidelines, guidelines_version: found.guidelines_version });
      keepRead(desk.session);
      this.show(pages.guidelines({ ...desk.session, guidelines_read: true }, { begin: async () => { if (!desk.item) return this.finished(); this.show(view.root); this.changed("state"); view.texts.forEach((text) => text.place()); }, back: null }));
    }

    changed(what) {
      const { desk, view } = this;
      if (desk.problem && !desk.item) return this.refused(desk);
      if (what === "item" && !desk.item) return this.finished();
      if (!desk.item) return;
      if (what === "item" && !this.root.contains(view.root)) this.show(view.root);
      view.update(what);
    }

    /** No item came; what waits from before is not lost with it. */
    refused(desk) {
      const { unsent } = desk.outbox;
      const again = () => { desk.outbox.retry(); desk.again(); };
      const sentence = unsent ? `${desk.problem} ${Forklore.annotationWords.kept(unsent)}.` : desk.problem;
      if (sentence === this.said && this.root.querySelector("[role=alert]")) return;
      this.said = sentence;
      this.show(pages.refusal(sentence, { again: desk.passing || unsent ? again : null, back: this.back }));
    }

    finished() {
      const { desk } = this;
      const last = desk.lastItem;
      this.show(pages.done(desk.session, desk.progress, { back: this.back, last: last ? () => desk.open(last) : null, guidelines: () => this.reread(), show: desk.session.role === "owner" ? () => this.trigger("session_show", { session: desk.session.session }) : null }));
    }
  }

  const wanted = (text) => {
    try { return JSON.parse(text || "{}"); } catch { return {}; }
  };

  Forklore.mountAnnotate = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece") || element;
    root.classList.add("fl-annotate");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Annotation");
    const annotate = new Annotate(root, trigger);
    const secret = new URLSearchParams(location.search).get("annotate") || "";
    let last = null;
    const draw = () => {
      if (props.value === last) return;
      last = props.value;
      const { open } = wanted(props.value);
      if (open) annotate.open(String(open), "");
      else if (secret) annotate.open("", secret);
      else annotate.home();
    };
    watch("value", draw);
    draw();
    return annotate;
  };
})();
