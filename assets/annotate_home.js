// Before and after the work: the sessions somebody has a part in, what sessions are, guidelines with their questions, the
// end, and links that do not open. Draws pages and reports wishes.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;

  const ROLES = { owner: "yours", adjudicator: "you decide where annotators differ", annotator: "you are one of its annotators" };

  function standing(row) {
    const said = [row.example ? "demonstration" : row.member || row.role === "annotator" ? ROLES[row.role] || row.role : "yours; you do not label in it",
      row.member && row.role !== "adjudicator" ? `${format.count(row.done)} of ${format.count(row.total)} done` : "", row.status === "closed" ? "closed" : ""];
    return said.filter(Boolean).join(" · ");
  }

  /** One session of the list. acts: {open(session), show(session)}. */
  function sessionRow(row, acts) {
    const works = !row.example && row.member !== false && row.role !== "adjudicator";
    const main = works ? () => acts.open(row.session) : () => acts.show(row.session);
    const button = el("button", { type: "button", class: "fl-an-session-open", onclick: main }, el("bdi", { class: "fl-an-session-title", text: row.title }), el("span", { class: "fl-an-soft", text: standing(row) }));
    const results = works && row.role === "owner" ? dom.button("Results", () => acts.show(row.session), { "aria-label": `Results of ${row.title}` }) : null;
    const said = el("span", { class: "fl-an-go", "aria-hidden": "true", text: works ? (row.done ? "Go on ›" : "Begin ›") : row.example ? "Look ›" : "Results ›" });
    button.append(said);
    return el("li", {}, button, results);
  }

  const about = (acts) => el("section", { class: "fl-an-about" },
    el("p", { text: "In an annotation session several people label the same answers, token by token or as a whole, without seeing one another. Every action is saved as it is made. At the end the page says how far they agree, and which uncertainty score predicts their labels." }),
    el("p", { class: "fl-an-soft", text: "To make one, choose runs, write down what is asked, and give each annotator their labelling link. Whoever opens such a link begins here." }),
    el("p", {}, dom.button("New session", () => acts.show(""), { class: "fl-button fl-an-primary" })));

  /** The list of sessions, or for a first visitor what sessions are. */
  function list(rows, acts) {
    const [own, examples] = [rows.filter((row) => !row.example), rows.filter((row) => row.example)];
    const section = (title, some) => (some.length ? [el("h3", { class: "fl-an-list-title", text: title }), el("ul", { class: "fl-an-sessions" }, some.map((row) => sessionRow(row, acts)))] : []);
    return el("div", { class: "fl-an-page" }, el("h2", { class: "fl-an-headline", text: own.length ? "Annotation sessions" : "Label answers together" }),
      own.length ? null : about(acts), ...section("Your sessions", own), ...section(examples.length === 1 ? "A finished session to look at" : "Finished sessions to look at", examples), own.length ? about(acts) : null);
  }

  /** The questions on the guidelines; `answers()` gives an index into each question's options, or null where one lacks. */
  function quiz(rows) {
    const parts = rows.map(({ question, options }, i) => {
      const name = dom.uid("fl-an-quiz");
      const boxes = options.map((option, k) => {
        const box = el("input", { type: "radio", name, value: String(k) });
        return { box, row: el("label", { class: "fl-an-quiz-option" }, box, el("bdi", { text: option })) };
      });
      const root = el("fieldset", { class: "fl-an-quiz" }, el("legend", {}, `${i + 1}. `, el("bdi", { text: question })), boxes.map(({ row }) => row));
      return { root, options, chosen: () => boxes.findIndex(({ box }) => box.checked), boxes };
    });
    return {
      nodes: parts.map(({ root }) => root),
      answers: () => parts.map(({ options, chosen }) => options[chosen()] ?? null),
      first: () => parts.find(({ chosen }) => chosen() < 0)?.boxes[0].box.focus(),
    };
  }

  /** Guidelines, their version, the questions on them, Begin. acts: {begin(answers), back() or null}. */
  function guidelines(session, acts) {
    const asked = quiz(session.guidelines_read ? [] : session.quiz || []);
    const problem = el("p", { class: "fl-an-problem", role: "alert" });
    const begin = dom.button(session.guidelines_read ? "Go on" : "Begin", async () => {
      const answers = asked.answers();
      if (answers.includes(null)) {
        problem.textContent = "Answer every question on the guidelines first.";
        return asked.first();
      }
      problem.textContent = "";
      begin.disabled = true;
      try { await acts.begin(answers); } catch (error) {
        if (!error.sentence) throw error;
        problem.textContent = Forklore.dom.shown(error.sentence);
      }
      begin.disabled = false;
    }, { class: "fl-button fl-an-primary fl-an-begin" });
    const facts = [`Guidelines, version ${session.guidelines_version}`, `you work as ${session.me}`, session.blind ? "nobody sees what others said" : "", session.closes_at ? `open until ${format.date(session.closes_at)}` : ""];
    return el("article", { class: "fl-an-page fl-an-guide" }, acts.back ? dom.button("All sessions", acts.back, { class: "fl-link-button" }) : null,
      el("h2", { class: "fl-an-headline" }, el("bdi", { text: session.title })), el("p", { class: "fl-an-soft", text: facts.filter(Boolean).join(" · ") }),
      Forklore.markdown(session.guidelines, "The owner of this session has written no guidelines."),
      asked.nodes.length ? [el("h3", { class: "fl-an-list-title", text: "Before you begin" }), ...asked.nodes] : null, problem, begin);
  }

  /** Nothing is left to do. acts: {back() or null, last() or null, guidelines(), show() or null}. */
  function done(session, progress, acts) {
    const closed = session.status === "closed";
    const said = progress.done || progress.skipped ? `You have submitted ${format.count(progress.done)} of ${format.count(progress.total)} items${progress.skipped ? ` and skipped ${format.count(progress.skipped)}` : ""}. Everything is saved.` : "There is no item for you in this session: others have taken all of them.";
    return el("div", { class: "fl-an-page" }, el("h2", { class: "fl-an-headline", text: closed ? "This session is closed" : progress.done ? "Done. Thank you." : "Nothing to do" }), el("p", { text: said }),
      acts.last ? el("p", { class: "fl-an-soft", text: closed ? "" : "You may still go back to your items and change them while the session is open." }) : null,
      el("div", { class: "fl-an-acts" }, acts.last ? dom.button("Look at my items", acts.last) : null, dom.button("Guidelines", acts.guidelines), acts.show ? dom.button("Results", acts.show) : null, acts.back ? dom.button("All sessions", acts.back) : null));
  }

  /** A link or session that does not open, in one sentence. acts: {again() or null, back()}. */
  function refusal(sentence, acts) {
    return el("div", { class: "fl-an-page" }, el("h2", { class: "fl-an-headline", text: acts.again ? "Not reached" : "This does not open" }), el("p", { role: "alert", text: sentence }),
      el("div", { class: "fl-an-acts" }, acts.again ? dom.button("Try again", acts.again, { class: "fl-button fl-an-primary" }) : null, acts.back ? dom.button("All sessions", acts.back) : null));
  }

  const opening = () => el("p", { class: "fl-an-page fl-an-soft", role: "status", text: "Opening …" });

  Forklore.annotationPages = { list, guidelines, done, refusal, opening };
})();
