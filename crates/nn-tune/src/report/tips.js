// Shows the trial of the point that one points at.
for (const plot of document.querySelectorAll('.plot')) {
  const tip = document.createElement('div');
  tip.className = 'tip';
  const points = [...plot.querySelectorAll('[data-tip]')];
  let marked = null;
  const hide = () => { tip.remove(); marked?.classList.remove('near'); marked = null; };
  plot.addEventListener('pointerleave', hide);
  plot.addEventListener('pointermove', event => {
    hide();
    let nearest = 20;
    for (const point of points) {
      const box = point.getBoundingClientRect();
      const dx = Math.max(box.left - event.clientX, 0, event.clientX - box.right);
      const dy = Math.max(box.top - event.clientY, 0, event.clientY - box.bottom);
      const distance = Math.hypot(dx, dy);
      if (distance < nearest) { nearest = distance; marked = point; }
    }
    if (!marked) return;
    marked.classList.add('near');
    tip.textContent = marked.dataset.tip;
    plot.append(tip);
    const frame = plot.getBoundingClientRect();
    const x = event.clientX - frame.left + plot.scrollLeft, y = event.clientY - frame.top;
    tip.style.left = `${x > plot.scrollLeft + frame.width / 2 ? x - tip.offsetWidth - 14 : x + 14}px`;
    tip.style.top = `${Math.max(0, Math.min(y, frame.height - tip.offsetHeight))}px`;
  });
}
