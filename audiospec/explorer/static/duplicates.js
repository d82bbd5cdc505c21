// The tracks of a cluster side by side, each to hear, with a switch from one to the next at the same time.

"use strict";

{
  const { Player, button, count, element, failure, fill, foreign, printable, time } = Explorer;

  /** Tracks shown at once; more on request. */
  const FIRST = 4;

  class Duplicates {
    /**
     * @param context {data, run, view, address, open}
     * @param track the details of the track that is open
     */
    constructor(context, track) {
      Object.assign(this, context, { track });
      this.players = [];
      this.cards = element("div", { class: "cards" });
      this.toggle = button("Switch A/B", () => this.flip(), { "aria-keyshortcuts": "b" });
      this.status = element("span", { class: "quiet", role: "status" });
      this.more = button("Show more", () => this.show(FIRST));
      this.others = track.cluster.filter((number) => number !== track.number);
      this.waiting = [track.number, ...this.others];
      this.node = element(
        "section",
        { class: "duplicates", "aria-label": "Tracks with the same sound" },
        element("h3", {}, `Same sound: ${count(track.cluster.length, "track")}`),
        element("div", { class: "controls" }, this.toggle, this.status),
        this.cards,
        this.more,
      );
      this.show(FIRST);
    }

    /** Show the next tracks of the cluster. */
    show(most) {
      const numbers = this.waiting.splice(0, most);
      this.more.hidden = this.waiting.length === 0;
      for (const number of numbers) {
        const card = element("article", { class: "card" });
        this.cards.append(card);
        this.load(number, card);
      }
    }

    async load(number, card) {
      try {
        const track =
          number === this.track.number
            ? this.track
            : await this.data.track(number, this.run, this.view?.name ?? "");
        if (this.closed) return;
        const player = new Player(track, this.view, this.address, {
          small: true,
          decodes: !this.data.store.static,
        });
        const letter = String.fromCharCode(65 + ([this.track.number, ...this.others].indexOf(number) % 26));
        Object.assign(player, { letter });
        this.players.push(player);
        this.players.sort((a, b) => (a.letter < b.letter ? -1 : 1));
        player.audio.addEventListener("play", () => this.plays(player));
        const name = [element("b", {}, `${letter}  `), foreign(track.id)];
        const title =
          number === this.track.number ? name : button(name, () => this.open(number), { class: "link" });
        const facts = [track.label, track.group, time(track.seconds)]
          .filter(Boolean)
          .map(printable)
          .join(" · ");
        card.setAttribute("aria-label", `${letter}: ${printable(track.id)}`);
        fill(
          card,
          element("h4", {}, title),
          element("p", { class: "quiet" }, element("bdi", {}, facts)),
          player.node,
        );
      } catch (error) {
        fill(card, failure(error));
      }
    }

    plays(player) {
      this.current = player;
      fill(this.status, `${player.letter} is playing`);
    }

    /** Play the next track from the time that this one is at. */
    flip() {
      if (!this.players.length) return;
      const from = this.current ?? this.players.at(-1);
      const next = this.players[(this.players.indexOf(from) + 1) % this.players.length];
      const position = this.current ? from.position : 0;
      from.pause();
      next.seek(position);
      next.play();
      this.plays(next);
    }

    close() {
      this.closed = true;
      for (const player of this.players) player.close();
    }
  }

  Object.assign(Explorer, { Duplicates });
}
