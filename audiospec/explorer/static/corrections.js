// Accept, change, exclude or take back the label of a track.

"use strict";

{
  const { announce, button, element, fill, foreign, printable } = Explorer;

  /** Labels that the list for choosing one shows at most. */
  const MOST_SHOWN = 200;

  function label(name) {
    return name === "" ? element("em", {}, "excluded") : foreign(name);
  }

  /** What is decided about a track, in words. */
  function decision(track) {
    if (track.corrected === null || track.corrected === undefined) return ["as in the dataset"];
    if (track.corrected === track.label) return ["accepted as it is"];
    if (track.corrected === "") return ["excluded from training"];
    return ["corrected to ", foreign(track.corrected)];
  }

  /** A time in ISO 8601, as people read it. */
  function moment(when) {
    return printable(when)
      .replace("T", " ")
      .replace(/(:\d\d)(:\d\d(\.\d+)?)?(Z|\+00:00)$/, "$1 UTC");
  }

  class Corrections {
    /**
     * @param data where decisions are sent to
     * @param context () → {run, view}
     * @param changed called with the details of a track after a decision
     */
    constructor(data, context, changed) {
      Object.assign(this, { data, context, changed });
      this.node = element("section", { class: "corrections", "aria-label": "Label" });
      this.chooser = new Chooser(data.store.labels, (name) => this.decide(name));
      document.body.append(this.chooser.node);
    }

    /** Show the decisions about a track. */
    render(track) {
      this.track = track;
      this.conflict = element("div", { class: "conflict" });
      const decided = track.corrected !== null && track.corrected !== undefined;
      this.why = element("input", { type: "text", maxlength: 500, placeholder: "optional" });
      const key = (text, shortcut, click, disabled = false) =>
        button([text, " ", element("kbd", { "aria-hidden": "true" }, shortcut)], click, {
          "aria-keyshortcuts": shortcut,
          disabled,
        });
      fill(
        this.node,
        element("h3", {}, "Label"),
        element(
          "p",
          { class: "decision" },
          foreign(track.label || "no label", { class: "given" }),
          " – ",
          decision(track),
        ),
        this.data.store.can_correct
          ? [
              element(
                "div",
                { class: "controls" },
                key("Accept", "a", () => this.accept(), !track.label),
                key("Change…", "c", () => this.choose()),
                key("Exclude", "x", () => this.exclude()),
                key("Take back", "u", () => this.undo(), !decided),
              ),
              element("label", { class: "why" }, element("span", {}, "Why"), this.why),
            ]
          : element("p", { class: "quiet" }, "Labels cannot be corrected here."),
        this.conflict,
        this.history(track),
      );
    }

    history({ decisions = [] }) {
      if (!decisions.length) return null;
      const items = decisions.map(({ new: name, who, when, why }) =>
        element(
          "li",
          {},
          label(name ?? ""),
          " by ",
          foreign(who),
          `, ${moment(when)}`,
          why ? [": ", foreign(why)] : null,
        ),
      );
      return element(
        "details",
        {},
        element("summary", {}, `Decisions (${decisions.length})`),
        element("ol", {}, items),
      );
    }

    accept() {
      return this.decide(this.track?.label || undefined); // "" would exclude it
    }

    exclude() {
      return this.decide("");
    }

    undo() {
      const { corrected } = this.track ?? {};
      if (corrected !== null && corrected !== undefined) return this.decide(null);
      return null;
    }

    choose() {
      if (this.track && this.data.store.can_correct) this.chooser.open(this.track);
    }

    /** Send a decision: a label, "" to exclude the track, null to take the last one back. */
    async decide(name) {
      if (!this.track || !this.data.store.can_correct || this.sending || name === undefined) return;
      this.sending = true;
      const { track } = this;
      const { run, view } = this.context();
      const sent = {
        track: track.number,
        new: name,
        why: this.why.value.trim(),
        seen: track.decisions.length,
      };
      try {
        const now = await this.data.correct(sent, run, view);
        this.changed(now);
        announce(
          `${printable(now.id)}: ${
            now.corrected === null
              ? "decision taken back"
              : decision(now)
                  .map((part) => part.textContent ?? part)
                  .join("")
          }`,
        );
      } catch (error) {
        if (error.status === 409 && error.body?.track) this.disagree(error.body.track, name, sent.why);
        else
          fill(
            this.conflict,
            element(
              "p",
              { class: "warn", role: "alert" },
              printable(`${error.message}${error.hint ? `: ${error.hint}` : ""}`),
            ),
          );
      } finally {
        this.sending = false;
      }
    }

    /** Show what was decided elsewhere, and ask again. */
    disagree(now, name, why) {
      this.changed(now);
      if (this.track?.number !== now.number) return; // another track is open by now
      this.why.value = why;
      const last = now.decisions.at(-1);
      const wanted =
        name === null
          ? "take the decision back"
          : name === ""
            ? "exclude the track"
            : `set ${printable(name)}`;
      const again = button(`Yes, ${wanted}`, () => this.decide(name));
      fill(
        this.conflict,
        element(
          "div",
          { class: "warn", role: "alertdialog", "aria-label": "Changed elsewhere" },
          element(
            "p",
            {},
            "This track was changed in another tab or by another person: it is ",
            decision(now),
            last ? [" (", foreign(last.who), `, ${moment(last.when)})`] : null,
            ". Change it all the same?",
          ),
          element(
            "div",
            { class: "controls" },
            again,
            button("Leave it", () => fill(this.conflict)),
          ),
        ),
      );
      again.focus();
    }
  }

  /** A dialog with a list of labels that typing filters. */
  class Chooser {
    constructor(labels, chosen) {
      Object.assign(this, { labels: labels.map(({ name }) => name).filter(Boolean), chosen });
      this.list = element("ul", { role: "listbox", id: "labels", "aria-label": "Labels" });
      this.input = element("input", {
        type: "text",
        role: "combobox",
        autocomplete: "off",
        "aria-label": "Filter labels",
        "aria-expanded": "true",
        "aria-controls": "labels",
        "aria-autocomplete": "list",
        on: { input: () => this.filter(), keydown: (event) => this.key(event) },
      });
      this.title = element("h2", { id: "chooser-title" });
      this.more = element("p", { class: "quiet", role: "status" });
      this.node = element(
        "dialog",
        { class: "chooser", "aria-labelledby": "chooser-title" },
        this.title,
        this.input,
        this.list,
        this.more,
        button("Cancel", () => this.node.close()),
      );
      this.list.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) this.pick(Number(option.dataset.at));
      });
    }

    open(track) {
      fill(this.title, "Label of ", foreign(track.id));
      // What the run thinks comes first, and the label that the track has last.
      const likely = (track.probabilities ?? []).map(({ label: name }) => name);
      const ranked = [...likely.filter((name) => this.labels.includes(name)), ...this.labels];
      const others = [...new Set(ranked)].filter((name) => name !== track.label);
      this.ordered = [...others, ...this.labels.filter((name) => name === track.label)];
      this.input.value = "";
      this.filter();
      this.node.showModal();
      this.input.focus();
    }

    filter() {
      const text = this.input.value.toLowerCase();
      const all = this.ordered.filter((name) => name.toLowerCase().includes(text));
      // One that begins with the text is meant more often than one that holds it.
      all.sort((a, b) => b.toLowerCase().startsWith(text) - a.toLowerCase().startsWith(text));
      this.matches = all.slice(0, MOST_SHOWN);
      fill(
        this.list,
        this.matches.map((name, at) =>
          element("li", { role: "option", id: `label-${at}`, "data-at": at }, foreign(name)),
        ),
      );
      const rest = all.length - this.matches.length;
      fill(
        this.more,
        all.length
          ? rest
            ? `and ${rest} more: type to find them`
            : `${all.length} labels`
          : "No label matches.",
      );
      this.point(0);
    }

    /** Mark the option that Enter takes. */
    point(at) {
      this.at = Math.max(0, Math.min(at, this.matches.length - 1));
      [...this.list.children].forEach((option, index) =>
        option.setAttribute("aria-selected", String(index === this.at)),
      );
      const option = this.list.children[this.at];
      if (option) this.input.setAttribute("aria-activedescendant", option.id);
      else this.input.removeAttribute("aria-activedescendant");
      option?.scrollIntoView({ block: "nearest" });
    }

    key(event) {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by) {
        event.preventDefault();
        this.point(this.at + by);
      } else if (event.key === "Enter") {
        event.preventDefault();
        this.pick(this.at);
      }
    }

    pick(at) {
      const name = this.matches[at];
      if (name === undefined) return;
      this.node.close();
      this.chosen(name);
    }
  }

  Object.assign(Explorer, { Corrections });
}
