// The state that a person's actions on an item come to, by the rules of engine/label_events.fold: what is shown before
// the server has confirmed it. Pure; knows the schema and states as they travel, not the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const UNDOABLE = new Set(["label", "unlabel", "answer", "comment", "flag"]);
  const OPENS_SKIPPED = new Set(["label", "unlabel", "answer"]);
  const EMPTY = { labels: [], answers: {}, comment: "", flag: false, status: "new", reason: "", active: 0, wall: 0, undo: null, redo: null, changes: 0 };

  const same = (a, b) => a.set === b.set && a.label === b.label && a.run === b.run && a.start === b.start && a.stop === b.stop;
  const order = (a, b) => a.run - b.run || a.start - b.start || a.stop - b.stop || compare(a.set, b.set) || compare(a.label, b.label);
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const nothing = (value) => value === null || (Array.isArray(value) && !value.length) || (typeof value === "string" && !value.trim());

  /** What is left of a label beside a newer one that takes its tokens: none, one or two pieces with its id. */
  function beside(old, { run, start, stop }) {
    if (old.run !== run || old.stop <= start || old.start >= stop) return [old];
    return [{ ...old, stop: start }, { ...old, start: stop }].filter((piece) => piece.start < piece.stop);
  }

  function labelled(schema, labels, id, { set, label, run, start, stop }) {
    const fresh = { id, set, label, run, start, stop };
    if (labels.some((one) => same(one, fresh) || one.id === id)) return labels;
    const overlaps = Boolean(schema.label_sets.find((one) => one.name === set)?.overlap);
    const kept = overlaps ? labels : labels.flatMap((old) => (old.set === set ? beside(old, fresh) : [old]));
    return [...kept, fresh].sort(order);
  }

  function answered(answers, { question, value }) {
    const { [question]: _, ...others } = answers;
    return nothing(value) ? others : { ...others, [question]: value };
  }

  /** The state with the content of one action that stands; undo and redo are settled before. */
  function content(schema, state, { uuid, kind, payload }) {
    switch (kind) {
      case "label": return { ...state, labels: labelled(schema, state.labels, uuid, payload) };
      case "unlabel": return { ...state, labels: state.labels.filter((one) => one.id !== payload.target) };
      case "answer": return { ...state, answers: answered(state.answers, payload) };
      case "comment": return { ...state, comment: payload.text };
      case "flag": return { ...state, flag: payload.on };
      default: return state;
    }
  }

  function status(state, { kind, payload }) {
    if (kind === "submit") return { ...state, status: "submitted", reason: "" };
    if (kind === "skip") return state.status === "submitted" ? state : { ...state, status: "skipped", reason: payload.reason };
    if (kind === "reopen") return state.status === "submitted" || state.status === "skipped" ? { ...state, status: "open", reason: "", changes: state.changes + 1 } : state;
    if (kind === "time") return state;
    if (state.status === "new" || (state.status === "skipped" && OPENS_SKIPPED.has(kind))) return { ...state, status: "open", reason: "" };
    return state;
  }

  /** Which actions are void, and what undo and redo would take next. An id from before `base` is known by name only. */
  function settled(events, base) {
    const voided = new Set();
    const [done, back] = [base.undo ? [base.undo] : [], base.redo ? [base.redo] : []];
    const take = (list, id) => { const at = list.lastIndexOf(id); if (at >= 0) list.splice(at, 1); return at >= 0; };
    for (const { uuid, kind, payload } of events) {
      if (UNDOABLE.has(kind)) { take(done, uuid); done.push(uuid); back.length = 0; }
      else if (kind === "undo" && take(done, payload.target)) {
        voided.add(payload.target);
        back.push(payload.target);
      } else if (kind === "redo" && (voided.has(payload.target) || back.includes(payload.target))) {
        take(back, payload.target);
        voided.delete(payload.target);
        done.push(payload.target);
      }
    }
    return { voided, undo: done.at(-1) ?? null, redo: back.at(-1) ?? null };
  }

  /**
   * The state after these events, each {uuid, kind, payload, active_ms?, wall_ms?}; one that came twice counts once.
   * base: the state before them, as the server gave it; what an undo of something older brings back is the server's to say.
   */
  function fold(schema, events, base = EMPTY) {
    const seen = new Set();
    const once = events.filter(({ uuid }) => !seen.has(uuid) && seen.add(uuid));
    const { voided, undo, redo } = settled(once, base);
    let state = { ...EMPTY, ...base };
    for (const event of once) state = status(voided.has(event.uuid) ? state : content(schema, state, event), event);
    const spent = (name) => Math.round(once.reduce((sum, event) => sum + (event[name] || 0), 0)) / 1000;
    return { ...state, active: state.active + spent("active_ms"), wall: state.wall + spent("wall_ms"), undo, redo };
  }

  /** The required questions that have no answer yet. */
  const missing = (schema, state) => schema.questions.filter((one) => one.required && !(one.name in state.answers));

  /** Whether two states say the same of the item, whatever led there. */
  function alike(a, b) {
    const plain = ({ labels, answers, comment, flag, status: at, reason }) => JSON.stringify([
      labels.map(({ set, label, run, start, stop }) => [set, label, run, start, stop]), Object.keys(answers).sort().map((name) => [name, answers[name]]), comment, flag, at, reason]);
    return plain(a) === plain(b);
  }

  /** Whether they have the same labels, answers and comment, wherever the item stands. */
  const saysAlike = (a, b) => alike({ ...a, flag: b.flag, status: b.status, reason: b.reason }, b);

  Forklore.annotationState = { EMPTY, fold, missing, alike, saysAlike };
})();
