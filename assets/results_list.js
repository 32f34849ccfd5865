// The sessions a person has to do with: their own, those they adjudicate, those they label in, and the examples.
// Opens one, makes a new one, or takes one in from a file.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, load, deed, hint, primary } = resultsParts;
  const MOST_BYTES = 200e6;

  const SIMULATED = /simulat/i;
  const badge = (text, title) => el("span", { class: "fl-rs-badge", text, title });

  /** A button that takes a file and hands its text on. */
  function fileButton(label, accept, take, title) {
    const input = el("input", { type: "file", accept, hidden: true, tabindex: "-1", "aria-hidden": "true" });
    const button = dom.button(label, () => input.click(), { title });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      input.value = "";
      if (file) await take(file, button);
    });
    return el("span", {}, button, input);
  }

  function row(page, one) {
    const opens = one.role !== "annotator";
    const open = () => (opens ? page.open(one.session) : page.trigger("annotate_open", { session: one.session }));
    const facts = [one.role === "annotator" ? "you label in it" : one.role === "adjudicator" ? "you adjudicate" : "", one.status === "closed" ? "closed" : "open",
      one.total ? (one.member === false ? counted(one.total, "item") : `${format.count(one.done)} of ${counted(one.total, "item")} done by you`) : ""];
    const marks = [one.example ? badge("example", "It can be read, not changed") : null, SIMULATED.test(one.title) ? badge("simulated annotators", "Nobody labelled by hand here") : null];
    return el("li", {}, el("button", { type: "button", class: "fl-rs-session", onclick: open }, el("span", {}, el("span", { class: "fl-rs-name" }, words(one.title || "Untitled session")), marks),
      el("span", { class: "fl-rs-facts", text: facts.filter(Boolean).join(" · ") }), el("span", { class: "fl-rs-go", "aria-hidden": "true", text: opens ? "Results" : "Label" })));
  }

  /** Up and down go from one session to the next. */
  function step(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way || dom.keyTaken(event)) return;
    const all = [...event.currentTarget.querySelectorAll("button")];
    const next = all[all.indexOf(event.target.closest("button")) + way];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  function drawn(page, all) {
    const own = all.filter((one) => !one.example);
    const examples = all.filter((one) => one.example);
    const group = (title, rows) => (rows.length ? [el("h3", { text: title }), el("ul", { class: "fl-rs-sessions", onkeydown: step }, rows.map((one) => row(page, one)))] : []);
    const none = own.length ? [] : [hint("No session of yours yet. In a session several people label the same answers without seeing one another; afterwards this view says how far they agree and which uncertainty score predicts their labels. It needs two or more runs of your library, a question or a set of labels, and a few people with a link.")];
    return [...none, ...group("Your sessions", own), ...group("Example", examples)];
  }

  Forklore.resultsList = (page) => {
    const host = el("div", {});
    const take = (file, button) => deed(button, async () => {
      if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${format.count(file.size / 1e6)} MB; a session of at most 200 MB can be read in the page.`);
      const overview = await page.call("import_session", await file.text());
      page.open(overview.session, overview);
      page.say("The session is in.");
    }, page.say);
    load(host, () => page.call("my_annotations"), (all) => drawn(page, all), "Loading the sessions …");
    return el("div", {}, el("div", { class: "fl-rs-line fl-rs-top" }, el("h2", { text: "Annotation sessions", tabindex: "-1" }), el("span", { class: "fl-rs-grow" }),
      fileButton("Import a session", ".jsonl,.json,.txt", take, "A JSONL file that a session was exported to"), primary("New session", () => page.create())), host);
  };
  Forklore.resultsFileButton = fileButton;
  Forklore.resultsBadge = badge;
  Forklore.isSimulated = (overview) => Boolean(overview.simulated) || SIMULATED.test(overview.title) || SIMULATED.test(overview.guidelines || "");
})();
