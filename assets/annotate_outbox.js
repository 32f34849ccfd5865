// What a person did and the server has not yet confirmed: kept in the browser before it is sent, sent in order, one
// request at a time, until it is confirmed or refused. Knows events as they travel; not what they mean.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const BATCH = 50;
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30_000;
  const SHUT_WAIT_MS = 60_000;
  const PREFIX = "forklore-annotation";

  function uuid() {
    if (crypto.randomUUID) return crypto.randomUUID();
    // outside of https browsers have no randomUUID
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  /** The browser's memory, one key an event, so that two pages of one person never write over each other. */
  class Kept {
    constructor(session, me) {
      this.prefix = `${PREFIX} ${session} ${me} `;
      this.count = 0;
    }

    read() {
      const found = [];
      try {
        for (let i = 0; i < localStorage.length; i += 1) {
          const key = localStorage.key(i);
          if (!key.startsWith(this.prefix)) continue;
          try {
            const { item, event } = JSON.parse(localStorage.getItem(key));
            if (item && event?.uuid) found.push({ key, item, event });
          } catch { /* not ours after all */ }
        }
      } catch { /* a private window keeps nothing */ }
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    }

    write(item, event) {
      this.count += 1;
      const key = `${this.prefix}${String(Date.now()).padStart(15, "0")} ${String(this.count).padStart(6, "0")} ${event.uuid}`;
      try { localStorage.setItem(key, JSON.stringify({ item, event })); } catch { /* full or private: it is still sent */ }
      return key;
    }

    forget(key) {
      try { localStorage.removeItem(key); } catch { /* as above */ }
    }
  }

  class Outbox {
    /**
     * send(item, events) -> promise of the answer, failing with a ServerError. confirmed(item, answer, events) after each
     * one. shut() -> promise: whether nothing at all is taken for now, asked after a refusal; failing with a ServerError
     * that may pass. leaving() before it is told whether anything is unsent. changed() whenever what should be said of saving is another.
     */
    constructor({ session, me, send, shut, confirmed, changed, leaving = () => {} }) {
      Object.assign(this, { send, shut, confirmed, changed, refused: [], savedAt: "", problem: "", held: false, sending: false, single: 0, wait: 0, timer: 0, closed: false });
      this.kept = new Kept(session, me);
      this.waiting = this.kept.read().map((entry) => this.entry(entry));
      this.online = () => this.retry();
      this.unload = (event) => {
        leaving();
        if (!this.unsent) return;
        event.preventDefault();
        event.returnValue = "";
      };
      addEventListener("online", this.online);
      addEventListener("beforeunload", this.unload);
    }

    entry(fields) {
      let settle;
      const done = new Promise((resolve) => { settle = resolve; });
      return { ...fields, done, settle };
    }

    /** How many actions wait; time that was only measured is not worth a warning. */
    get unsent() { return this.waiting.filter(({ event }) => event.kind !== "time").length; }

    eventsOf(item) { return this.waiting.filter((entry) => entry.item === item).map(({ event }) => event); }

    /** Takes an event; the promise gives the server's answer, or null when it was refused. */
    add(item, event) {
      const entry = this.entry({ item, event, key: this.kept.write(item, event) });
      this.waiting.push(entry);
      this.changed();
      this.pump();
      return entry.done;
    }

    retry() {
      clearTimeout(this.timer);
      this.timer = 0;
      this.wait = 0;
      this.pump();
    }

    async pump() {
      if (this.sending || this.timer || !this.waiting.length) return;
      this.sending = true;
      try {
        while (this.waiting.length && (await this.sendSome()));
      } finally {
        this.sending = false;
      }
      this.changed();
      if (this.closed) this.close();
    }

    /** Sends what waits for one item; false when nothing more can go for now. */
    async sendSome() {
      const { item } = this.waiting[0];
      const stop = this.waiting.findIndex((entry) => entry.item !== item);
      const most = this.single ? 1 : BATCH;
      const batch = this.waiting.slice(0, Math.min(most, stop < 0 ? this.waiting.length : stop));
      this.single = Math.max(0, this.single - 1);
      try {
        const answer = await this.send(item, batch.map(({ event }) => event));
        Object.assign(this, { problem: "", held: false, wait: 0, savedAt: answer.saved });
        this.drop(batch);
        this.confirmed(item, answer, batch.map(({ event }) => event));
        for (const entry of batch) entry.settle(answer);
        return true;
      } catch (error) {
        if (!error.sentence) throw error;
        if (error.again) return this.later(error.sentence);
        const shut = await this.asShut();
        if (shut.sentence) return this.later(shut.sentence);
        if (shut === true) return this.hold(error.sentence);
        // all or nothing: one by one, so that only what cannot be is refused
        if (batch.length > 1) this.single = batch.length;
        else this.refuse(batch[0], error.sentence);
        return true;
      } finally {
        this.changed();
      }
    }

    async asShut() {
      try { return await this.shut(); } catch (error) {
        if (!error.sentence) throw error;
        return error;
      }
    }

    /** It is no fault of the actions that they were refused: all stay until the session takes them again. */
    hold(sentence) {
      Object.assign(this, { problem: sentence, held: true });
      this.timer = setTimeout(() => { this.timer = 0; this.pump(); }, SHUT_WAIT_MS);
      return false;
    }

    later(sentence) {
      Object.assign(this, { problem: sentence, held: false });
      this.wait = Math.min(LONGEST_WAIT_MS, this.wait ? this.wait * 2 : FIRST_WAIT_MS);
      this.timer = setTimeout(() => { this.timer = 0; this.pump(); }, this.wait);
      return false;
    }

    drop(batch) {
      for (const { key } of batch) this.kept.forget(key);
      this.waiting = this.waiting.filter((entry) => !batch.includes(entry));
    }

    refuse(entry, sentence) {
      this.drop([entry]);
      Object.assign(this, { problem: "", held: false });
      if (entry.event.kind !== "time") this.refused.push({ item: entry.item, event: entry.event, sentence });
      entry.settle(null);
    }

    forgive() {
      this.refused = [];
      this.changed();
    }

    /** Nobody looks any more: what waits is still sent, and stays in the browser where that does not succeed. */
    close() {
      this.closed = true;
      if (this.waiting.length) return;
      removeEventListener("online", this.online);
      removeEventListener("beforeunload", this.unload);
    }
  }

  Object.assign(Forklore, { AnnotationOutbox: Outbox, annotationUuid: uuid });
})();
