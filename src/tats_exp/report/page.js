// Keeps the videos of a player on one clock: the first one leads, the others follow; one slider and a few keys move all.
const players = [...document.querySelectorAll(".player")].map(playerOf).filter(Boolean);

function playerOf(player) {
  const videos = [...player.parentElement.querySelectorAll(".videos:not(.heard) video")];
  if (!videos.length) return null;
  const [button, slider, output] = ["button", "input", "output"].map((tag) => player.querySelector(tag));
  const lead = videos[0];
  const windows = Number(player.dataset.windows);
  const length = 1 / (Number(player.dataset.rate) || 16);  // seconds of a frame
  const visible = new Set();
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  const same = (video) => Math.abs(video.duration - lead.duration) < 0.5;
  // Of what a video was told on its way, the line that holds at its time.
  const tell = (video) => {
    const frame = Math.floor(video.currentTime / length + 1e-6);
    const lines = [...video.parentElement.querySelectorAll(".told li")];
    const holds = lines.findLast((line) => Number(line.dataset.from) <= frame);
    for (const line of lines) line.hidden = line !== holds;
  };
  const show = () => {
    videos.forEach(tell);
    if (!lead.duration) return;
    const share = Math.min(lead.currentTime / lead.duration, 0.9999);
    slider.value = share;
    const percent = `${Math.round(100 * share)} %`;
    output.textContent = windows > 1 ? `window ${Math.floor(share * windows)} / ${windows - 1}` : percent;
  };
  // A small lag is made up by playing a little faster, which cannot stutter as a jump does; what stands still is set.
  const follow = () => {
    for (const video of videos) {
      if (video === lead || !visible.has(video) || !same(video) || (playing && video.seeking)) continue;
      const lag = lead.currentTime - video.currentTime;
      if (playing && Math.abs(lag) > lead.duration - 1) continue;  // one of the two has just begun again
      if (!playing || Math.abs(lag) > 0.2) video.currentTime = lead.currentTime;
      else video.playbackRate = 1 + Math.max(-0.5, Math.min(0.5, 2 * lag));
    }
  };
  const apply = () => {
    for (const video of videos) {
      if (playing && (video === lead || visible.has(video))) video.play().catch(() => {});
      else video.pause();
    }
    button.textContent = playing ? "Pause" : "Play";
    if (!playing) follow();
  };
  const go = (seconds) => {
    if (!lead.duration) return;
    playing = false;
    lead.currentTime = Math.max(0, Math.min(seconds, lead.duration - 0.001));
    apply();
    show();
  };
  const toggle = () => { playing = !playing; apply(); };

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target);
    apply();
    if (playing) follow();
  }, { rootMargin: "200px" });
  videos.forEach((video) => watcher.observe(video));
  button.addEventListener("click", toggle);
  slider.addEventListener("input", () => go(slider.value * lead.duration));
  setInterval(() => { if (playing) { follow(); show(); } }, 100);
  apply();
  show();
  // A step lands in the middle of a frame, so that no rounding shows the one before.
  const step = (by) => go((Math.floor(lead.currentTime / length + 1e-6) + by + 0.5) * length);
  const window = () => Math.max(1, Math.round(lead.duration / length / (windows || 10)));
  return { toggle, step, window };
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onControl = event.target.closest("summary, button, a");
  const by = event.shiftKey ? null : 1;
  const keys = {
    " ": (player) => player.toggle(),
    ArrowRight: (player) => player.step(by ?? player.window()),
    ArrowLeft: (player) => player.step(-(by ?? player.window())),
  };
  if (!(event.key in keys) || !players.length || (event.key === " " && onControl)) return;
  event.preventDefault();
  players.forEach(keys[event.key]);
});
