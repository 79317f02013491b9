// Keeps the videos of a player on one clock: the first one leads, the others follow; one slider moves them all.
for (const player of document.querySelectorAll(".player")) {
  const videos = [...player.parentElement.querySelectorAll(".videos video")];
  if (!videos.length) continue;
  const [button, slider, output] = ["button", "input", "output"].map((tag) => player.querySelector(tag));
  const lead = videos[0];
  const windows = Number(player.dataset.windows);
  const visible = new Set();
  let playing = true;

  const same = (video) => Math.abs(video.duration - lead.duration) < 0.5;
  const show = () => {
    if (!lead.duration) return;
    const share = Math.min(lead.currentTime / lead.duration, 0.9999);
    slider.value = share;
    const percent = `${Math.round(100 * share)} %`;
    output.textContent = windows > 1 ? `window ${Math.floor(share * windows)} / ${windows - 1}` : percent;
  };
  // A small lag is made up by playing a little faster, which cannot stutter as a jump does.
  const follow = (tolerance) => {
    for (const video of videos) {
      if (video === lead || !visible.has(video) || video.seeking || !same(video)) continue;
      const lag = lead.currentTime - video.currentTime;
      if (playing && Math.abs(lag) > lead.duration - 1) continue;  // one of the two has just begun again
      if (Math.abs(lag) > tolerance) video.currentTime = lead.currentTime;
      else video.playbackRate = 1 + lag;
    }
  };
  const apply = () => {
    for (const video of videos) {
      if (playing && (video === lead || visible.has(video))) video.play().catch(() => {});
      else video.pause();
    }
    button.textContent = playing ? "Pause" : "Play";
  };

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target);
    apply();
    follow(0.3);
  }, { rootMargin: "200px" });
  videos.forEach((video) => watcher.observe(video));

  button.addEventListener("click", () => { playing = !playing; apply(); });
  slider.addEventListener("input", () => {
    playing = false;
    apply();
    lead.currentTime = slider.value * lead.duration;
    follow(0);
    show();
  });
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) playing = false;
  setInterval(() => { if (playing) { follow(0.3); show(); } }, 200);
  apply();
}
