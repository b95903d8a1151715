// The search's worker where the site is opened as files: browsers start no worker from a file, so it runs in a frame.
// Everything else a page loads lies beside it, and so does this: the offline plugin's own comes from a server.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = this.onerror = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      this.ready = new Promise((resolve) => {
        const inside = this.frame.contentWindow;
        inside.document.open();
        inside.document.write("<!doctype html><html><head></head><body></body></html>");
        inside.document.close();
        inside.postMessage = (data) => {
          const event = new MessageEvent("message", { data });
          this.dispatchEvent(event);
          if (this.onmessage) this.onmessage(event);
        };
        // A worker's importScripts waits; here each script is loaded after the one before it.
        inside.importScripts = (...urls) =>
          urls.reduce(
            (before, each) =>
              before.then(
                () =>
                  new inside.Promise((loaded, failed) => {
                    const script = inside.document.createElement("script");
                    script.src = each;
                    script.onload = loaded;
                    script.onerror = failed;
                    inside.document.body.appendChild(script);
                  }),
              ),
            inside.Promise.resolve(),
          );
        inside.importScripts(String(url)).then(() => resolve(inside));
      });
    }
    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
