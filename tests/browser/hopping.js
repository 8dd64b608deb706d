// Injected into every page of a window: hop from one environment to the other, and tell what stands on the page.
// `paths` and `marks` (environment number to the word that its things carry in their names), the `end` (epoch ms), how
// many hops make a `burst`, and how long a page `rests` after one are filled in by the test.
(({ paths, marks, end, burst, rests }) => {
  const mine = location.pathname.match(/^\/env\/(\d+)\//)?.[1];
  if (!marks[mine]) return;
  const others = Object.entries(marks).filter(([number]) => number !== mine);
  let seen = false;
  const check = () => {
    const text = document.documentElement?.textContent ?? "";
    for (const [number, word] of others) {
      if (text.includes(word)) window.leaked(`environment ${number}'s ${word} on ${location.pathname}`);
    }
    if (!seen && text.includes(marks[mine])) {
      seen = true;
      window.shown(mine);
    }
  };
  new MutationObserver(check).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });

  // A hop does not wait for the page that the one before it asked for: most pages are left before they are there, the
  // last of a burst is given time to open its sockets and to refresh itself.
  let timer = 0;
  const note = (gap) => sessionStorage.setItem("gaps", `${sessionStorage.getItem("gaps") ?? ""} ${gap}`);
  const hop = () => {
    const number = Number(sessionStorage.getItem("hops") ?? 0) + 1;
    if (Date.now() > end) return clearInterval(timer);
    sessionStorage.setItem("hops", String(number));
    if (number % burst !== 1) note(Date.now() - Number(sessionStorage.getItem("at")));
    sessionStorage.setItem("at", String(Date.now()));
    if (number % burst === 0) clearInterval(timer);
    return location.assign(paths[number % paths.length]);
  };
  const isLanded = Number(sessionStorage.getItem("hops") ?? 0) % burst === 0;
  const rest = /(containers|hosts)\/\d+$/.test(location.pathname) ? rests.charts : rests.lists;
  setTimeout(() => {
    timer = setInterval(hop, 50);
  }, isLanded ? rest : 0);
})
