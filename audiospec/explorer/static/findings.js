// What the doctor found, by check, worst first.

"use strict";

{
  const { button, count, element, failure, fill, foreign, histogram, printable, severity, whole } = Explorer;

  /** Findings of a check, tracks of a finding and groups that are shown at first. */
  const FIRST_FINDINGS = 20;
  const FIRST_TRACKS = 10;
  const FIRST_GROUPS = 5;
  const RANKS = { error: 0, warning: 1, note: 2 };

  /** Group findings by check; the check with the worst comes first, and findings keep their order. */
  function byCheck(findings) {
    const groups = new Map();
    for (const finding of findings) {
      if (!groups.has(finding.check)) groups.set(finding.check, []);
      groups.get(finding.check).push(finding);
    }
    const worst = (list) => Math.min(...list.map((finding) => RANKS[finding.severity] ?? 3));
    return [...groups].sort(([, a], [, b]) => worst(a) - worst(b));
  }

  /** Show a list in part, with a button for the rest. */
  function inPart(tag, items, most, make, noun) {
    const list = element(tag, { class: "plain" }, items.slice(0, most).map(make));
    if (items.length <= most) return [list];
    const rest = button(`Show ${whole(items.length - most)} more ${noun}`, () => {
      list.append(...items.slice(most).map((item, index) => make(item, index + most)));
      list.children[most]?.querySelector("button")?.focus();
      rest.remove();
    });
    return [list, rest];
  }

  class Findings {
    /**
     * @param host the element to fill
     * @param actions.open called with the number of a track
     * @param actions.filter called with the id of a finding or the name of a check
     * @param actions.more fetches more findings
     */
    constructor(host, actions) {
      Object.assign(this, { host, actions });
    }

    /** Show the state of the doctor. */
    render(found) {
      const open = document.activeElement && this.host.contains(document.activeElement);
      if (open && this.drawn === JSON.stringify(found)) return;
      this.drawn = JSON.stringify(found);
      this.totals = new Map((found.by_check ?? []).map(({ check, findings }) => [check, findings]));
      const rest = (found.total_findings ?? found.findings.length) - found.findings.length;
      fill(
        this.host,
        element("h2", {}, "Findings"),
        this.progress(found),
        byCheck(found.findings).map(([check, findings]) => this.check(check, findings)),
        rest > 0 ? button(`Fetch more (${whole(rest)} are left)`, () => this.actions.more()) : null,
        this.notChecked(found.not_checked ?? []),
      );
    }

    failed(error) {
      fill(this.host, element("h2", {}, "Findings"), failure(error));
    }

    progress({ state, message, done, total, findings }) {
      if (state === "running") {
        const bar = element("progress", { max: total || 1, "aria-label": "Progress of the checks" });
        if (total) bar.value = done;
        return element("p", {}, "The checks are running. ", bar, " ", printable(message ?? ""));
      }
      if (state === "failed")
        return element("p", { class: "warn", role: "alert" }, printable(message ?? "the checks failed"));
      if (!findings.length) return element("p", {}, "The checks found nothing.");
      return element("p", { class: "quiet" }, "A button lists the tracks of a finding in the table.");
    }

    check(check, findings) {
      const total = this.totals.get(check) ?? findings.length; // not all may be here
      return element(
        "section",
        { class: "check", "aria-label": printable(check) },
        element(
          "h3",
          {},
          printable(check),
          total > 1 ? element("span", { class: "quiet" }, ` ${count(total, "finding")}`) : null,
        ),
        total > 1 ? button(`List all tracks of ${printable(check)}`, () => this.actions.filter(check)) : null,
        inPart("ul", findings, FIRST_FINDINGS, (finding) => this.finding(finding), "findings"),
      );
    }

    finding(finding) {
      const { count: tracks = finding.tracks.length, groups = [] } = finding;
      const listed = groups.length ? this.groups(finding) : this.tracks(finding);
      return element(
        "li",
        { class: "finding" },
        element("p", {}, severity(finding.severity), " ", foreign(finding.title)),
        element("p", { class: "quiet" }, foreign(finding.advice)),
        tracks
          ? button(`List ${count(tracks, "track")} in the table`, () => this.actions.filter(finding.id))
          : null,
        listed.length ? element("details", {}, element("summary", {}, this.summary(finding)), listed) : null,
        finding.figures?.histogram ? histogram(finding.figures.histogram) : null,
      );
    }

    /** What is listed of a finding: a server sends no more than the worst. */
    summary({ tracks, count: all = tracks.length, groups = [], group_count: clusters = groups.length }) {
      if (groups.length) return clusters > groups.length ? `Show ${groups.length} of them here` : "Show here";
      return all > tracks.length ? `Show the worst ${tracks.length} here` : "Show here";
    }

    link(number, name) {
      return button(foreign(name ?? `track ${number}`), () => this.actions.open(number), { class: "link" });
    }

    tracks({ tracks, names = [], details = [] }) {
      if (!tracks.length) return [];
      const one = (number, at) =>
        element("li", {}, this.link(number, names[at]), details[at] ? [": ", foreign(details[at])] : null);
      return inPart("ol", tracks, FIRST_TRACKS, one, "tracks");
    }

    groups({ groups, group_names: names = [], details = [] }) {
      const one = (group, at) =>
        element(
          "li",
          { class: "group" },
          group.map((number, index) => this.link(number, names[at]?.[index])),
          details[at] ? foreign(details[at], { class: "quiet" }) : null,
        );
      return inPart("ol", groups, FIRST_GROUPS, one, "groups");
    }

    notChecked(checks) {
      if (!checks.length) return null;
      const one = ({ check, reason, hint }) =>
        element(
          "li",
          {},
          element("b", {}, printable(check)),
          ": ",
          foreign(reason),
          hint ? [". ", foreign(hint)] : null,
        );
      return element(
        "section",
        { "aria-label": "Not checked" },
        element("h3", {}, "Not checked"),
        element("ul", {}, checks.map(one)),
      );
    }
  }

  Object.assign(Explorer, { Findings });
}
