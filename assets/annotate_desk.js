// One person at work in one session: the item on the desk, what was done to it, what is saved, what comes next.
// Turns deeds into events and answers into states; draws nothing.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { annotationState } = Forklore;
  const READING_MS = 60_000;
  const REFRESH_MS = 2000;
  // whoever hands an item in does not wait longer to hear whether it was changed elsewhere
  const ASK_MS = 5000;
  // clocks differ: so near to its opening or closing a session counts as not open
  const CLOCKS_MS = 60_000;

  class Desk {
    /** session: the answer of open_annotation; link: the secret of a labelling link or ""; changed(what): draw again. */
    constructor(session, link, changed) {
      Object.assign(this, { session, link, changed, flush: () => {}, item: null, known: null, shown: annotationState.EMPTY, waiting: "", problem: "", feedback: null, turn: 0, leaving: -1, refreshed: 0 });
      this.schema = session.schema;
      this.progress = session.progress;
      this.outbox = new Forklore.AnnotationOutbox({
        session: session.session, me: session.me, send: (item, events) => this.call("save_annotation", item, events), shut: () => this.shut(),
        confirmed: (item, answer) => this.confirmed(item, answer), changed: () => this.changed("saving"), leaving: () => this.flush(),
      });
      this.clock = new Forklore.AnnotationClock();
      this.back = () => this.refresh();
      // kept in the browser at once: nobody may be there to see it sent
      this.gone = () => { this.flush(); this.rest(); };
      this.leave = () => { if (document.hidden) this.gone(); };
      this.reading = setInterval(() => { if (this.clock.active > READING_MS) this.rest(); }, READING_MS / 4);
      addEventListener("focus", this.back);
      addEventListener("pagehide", this.gone);
      document.addEventListener("visibilitychange", this.back);
      document.addEventListener("visibilitychange", this.leave);
      this.outbox.pump();
    }

    call(name, ...args) {
      return Forklore.server.call(name, this.session.session, ...args, this.link);
    }

    /** Whether the session takes nothing from this person for now: it is not open, or the way to it is not good any more. */
    async shut() {
      try {
        const { status, opens_at, closes_at } = await this.call("open_annotation");
        Object.assign(this.session, { status, opens_at, closes_at });
        return status !== "open" || Date.parse(opens_at) > Date.now() - CLOCKS_MS || Date.parse(closes_at) < Date.now() + CLOCKS_MS;
      } catch (error) {
        if (!error.sentence || error.again) throw error;
        return true;
      }
    }

    close() {
      this.rest();
      this.turn += 1;
      clearInterval(this.reading);
      removeEventListener("focus", this.back);
      removeEventListener("pagehide", this.gone);
      document.removeEventListener("visibilitychange", this.back);
      document.removeEventListener("visibilitychange", this.leave);
      this.outbox.close();
      this.clock.close();
    }

    // ---- the item

    get busy() { return Boolean(this.waiting); }

    /** Another item is on its way, or this one is being handed in: nothing may be done to it. Not while saving fails. */
    get locked() { return this.busy || (this.leaving === this.turn && !this.outbox.problem); }

    /** Asks for an item and lays it on the desk; an answer that was overtaken by another wish is dropped. */
    async fetch(what, ask) {
      this.rest();
      this.turn += 1;
      const { turn } = this;
      Object.assign(this, { waiting: what, problem: "" });
      this.changed("waiting");
      try {
        const found = await ask();
        if (turn !== this.turn) return;
        this.waiting = "";
        // words that were written meanwhile belong to the item that is still on the desk
        if (this.item) this.flush();
        if (found.progress) this.progress = found.progress;
        this.lay(found.done ? null : found, found.mine);
      } catch (error) {
        if (!error.sentence) throw error;
        if (turn !== this.turn) return;
        Object.assign(this, { waiting: "", problem: error.sentence, passing: error.again, again: () => this.fetch(what, ask) });
        this.changed("waiting");
      }
    }

    next() { return this.fetch("next", () => this.call("next_item")); }
    open(item) { return this.fetch("item", () => this.call("open_item", item)); }

    lay(item, mine) {
      // where to go back to from the end
      this.lastItem = mine?.at(-1)?.item || this.lastItem || this.item?.item;
      this.item = item;
      this.feedback = item?.feedback || null;
      this.clock.reset();
      if (item) this.take(item.state);
      this.changed("item");
    }

    /** A state of the server's, with what it has not yet heard of. */
    take(state) {
      this.known = { base: state, events: this.outbox.eventsOf(this.item.item) };
      this.refold();
    }

    refold() {
      this.shown = annotationState.fold(this.schema, this.known.events, this.known.base);
      const mine = this.item.mine.find((one) => one.item === this.item.item);
      if (mine) Object.assign(mine, { status: this.shown.status, flag: this.shown.flag });
    }

    confirmed(item, answer) {
      if (answer.progress) this.progress = answer.progress;
      if (item !== this.item?.item) return;
      if (answer.feedback && this.shown.status === "submitted") this.feedback = answer.feedback;
      if (this.outbox.eventsOf(item).length) return;
      // what is known of earlier actions is kept while it agrees, so that undo needs no answer from afar
      if (annotationState.alike(this.shown, answer.state) && this.shown.undo === answer.state.undo && this.shown.redo === answer.state.redo) this.changed("state");
      else {
        this.known = { base: answer.state, events: [] };
        this.refold();
        this.changed("state");
      }
    }

    /** Looks again when somebody comes back to this page: another page of theirs may have changed the item. */
    async refresh() {
      const now = performance.now();
      if (document.hidden || !this.item || this.busy || this.outbox.waiting.length || now - this.refreshed < REFRESH_MS) return;
      this.refreshed = now;
      const { turn, item: { item } } = this;
      try {
        const found = await this.call("open_item", item);
        if (turn !== this.turn || this.outbox.waiting.length || this.item?.item !== item) return;
        const other = !annotationState.alike(this.shown, found.state);
        Object.assign(this.item, { mine: found.mine, others: found.others, guidelines_version: found.guidelines_version });
        if (found.progress) this.progress = found.progress;
        if (other) { this.take(found.state); this.feedback = found.feedback || null; }
        this.changed(other ? "state" : "saving");
      } catch (error) {
        if (!error.sentence) throw error;
      }
    }

    // ---- deeds

    get readonly() { return this.session.example || this.busy || !this.item; }

    push(kind, payload) {
      const { item } = this.item;
      const event = { uuid: Forklore.annotationUuid(), kind, payload, ...this.clock.take(), guidelines_version: this.session.guidelines_version };
      this.known.events.push(event);
      return { item, event };
    }

    /** Does something to the item; a submitted one is opened again first. The promise: the answer, null when refused. */
    act(kind, payload) {
      if (this.readonly || this.locked) return Promise.resolve(null);
      this.leaving = -1;
      const pushed = [];
      if (this.shown.status === "submitted" && kind !== "submit") {
        pushed.push(this.push("reopen", {}));
        this.feedback = null;
      }
      pushed.push(this.push(kind, payload));
      this.refold();
      this.changed("state");
      return pushed.map(({ item, event }) => this.outbox.add(item, event).then((answer) => this.taken(item, answer))).at(-1);
    }

    /** An action that was refused never was. */
    taken(item, answer) {
      if (answer !== null || this.item?.item !== item) return answer;
      const refused = new Set(this.outbox.refused.map(({ event }) => event.uuid));
      this.known.events = this.known.events.filter(({ uuid }) => !refused.has(uuid));
      this.refold();
      this.changed("state");
      return answer;
    }

    label(set, label, run, start, stop) {
      const there = this.shown.labels.some((one) => one.set === set && one.label === label && one.run === run && one.start === start && one.stop === stop);
      return there ? null : this.act("label", { set, label, run, start, stop });
    }

    answer(question, value) {
      const now = this.shown.answers[question] ?? null;
      return JSON.stringify(now) === JSON.stringify(value) ? null : this.act("answer", { question, value });
    }

    undo() { return this.shown.undo ? this.act("undo", { target: this.shown.undo }) : null; }
    redo() { return this.shown.redo ? this.act("redo", { target: this.shown.redo }) : null; }

    /** Time spent without an action, told so that it is not lost; not of an item that is settled. */
    rest() {
      if (!this.item || this.session.example || !["new", "open"].includes(this.shown.status) || this.clock.active < 1000) return;
      const { item, event } = this.push("time", {});
      this.outbox.add(item, event);
    }

    /** Ends the item by `submit` or `skip` and goes on once that is saved; a training item waits to be read. */
    async settle(kind, payload) {
      const { turn } = this;
      if (kind === "submit" && !(await this.unchanged())) return false;
      const sent = this.act(kind, payload);
      this.leaving = turn;
      this.changed("saving");
      const answer = await sent;
      if (this.leaving === turn) this.leaving = -1;
      if (turn === this.turn && this.item) this.flush();
      if (!answer || turn !== this.turn || this.shown.status !== { submit: "submitted", skip: "skipped" }[kind]) this.changed("saving");
      else if (answer.feedback) this.changed("feedback");
      else await this.next();
      return true;
    }

    /** Whether the server has what is on show, as far as it can be asked; else what it has is shown. */
    async unchanged() {
      if (this.readonly || this.locked || this.outbox.waiting.length) return true;
      const { turn, item: { item } } = this;
      this.leaving = turn;
      this.changed("saving");
      const found = await this.asked(item);
      if (this.leaving === turn) this.leaving = -1;
      if (turn !== this.turn) return false;
      const same = !found || this.outbox.waiting.length > 0 || annotationState.saysAlike(this.shown, found.state);
      if (!same) this.renew(found);
      this.changed(same ? "saving" : "state");
      return same;
    }

    /** The item as the server has it; null where it does not say, or not soon. */
    async asked(item) {
      const late = new Promise((resolve) => { setTimeout(() => resolve(null), ASK_MS); });
      const found = this.call("open_item", item).catch((error) => { if (!error.sentence) throw error; return null; });
      return Promise.race([found, late]);
    }

    renew(found) {
      Object.assign(this.item, { mine: found.mine, others: found.others, guidelines_version: found.guidelines_version });
      if (found.progress) this.progress = found.progress;
      this.take(found.state);
      this.feedback = found.feedback || null;
    }

    missing() { return annotationState.missing(this.schema, this.shown); }

    /** The person's own item before (-1) or after (1) this one, null at either end. */
    neighbour(way) {
      const { mine, item } = this.item;
      return mine[mine.findIndex((one) => one.item === item) + way]?.item ?? null;
    }
  }

  Forklore.AnnotationDesk = Desk;
})();
