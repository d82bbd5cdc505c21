// Fetch data from the server. `Copy` has the same functions for the files of a static copy.

"use strict";

{
  const { Copy, Failure, file } = Explorer;

  /** Fetch a JSON document; throws Failure, or an AbortError if `signal` ended it. */
  async function json(path, options = {}) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(
        "the server does not answer",
        "start `audiospec explore` again, and open the address it prints",
      );
    }
    const body = await response.json().catch((error) => {
      if (error.name === "AbortError") throw error;
      return null;
    });
    if (!response.ok || body === null) {
      const message = body?.error ?? `${path.split("?")[0]} cannot be read (status ${response.status})`;
      const failed = new Failure(message, body?.hint ?? "", response.status, body);
      if (response.status === 410) document.dispatchEvent(new CustomEvent("stale", { detail: failed }));
      throw failed;
    }
    return body;
  }

  function query(values) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(values))
      if (value !== "" && value !== undefined) given.set(name, value);
    const text = String(given);
    return text ? `?${text}` : "";
  }

  /** The data of a running `audiospec explore`. */
  class Server {
    constructor(store) {
      this.store = store;
    }

    tracks(filters, offset, limit, signal) {
      return json(`api/tracks.json${query({ ...filters, offset, limit })}`, { signal });
    }

    track(number, run, view, signal) {
      return json(`api/track/${number}.json${query({ run, view })}`, { signal });
    }

    spectrogram(row, view) {
      return `api/spectrogram/${row}.png${query({ view })}`;
    }

    map(view, method, signal) {
      return json(`api/map.json${query({ view, method })}`, { signal });
    }

    confusion(run, signal) {
      return json(`api/confusion.json${query({ run })}`, { signal });
    }

    findings(offset, limit) {
      return json(`api/findings.json${query({ offset, limit })}`);
    }

    histogram(column, signal) {
      return json(`api/histogram.json${query({ column })}`, { signal });
    }

    correct(decision, run, view) {
      return json(`api/corrections${query({ run, view })}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(decision),
      });
    }
  }

  /** Return the data of this page, whose `store` describes it. */
  async function connect() {
    if ("static" in document.documentElement.dataset) return new Copy(await file("api/store.json"));
    return new Server(await json("api/store.json"));
  }

  Object.assign(Explorer, { connect, json });
}
