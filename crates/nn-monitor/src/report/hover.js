// Shows the numbers of a chart where one points at it.
for (const svg of document.querySelectorAll('.plot svg')) {
  const left = 66, width = 478, top = 14, height = 236, end = +svg.dataset.end;
  const curves = [...svg.querySelectorAll('.readings')].map(group => ({
    group,
    points: group.dataset.points.split(' ').filter(Boolean).map(text => text.split(',')),
  }));
  const make = (name, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    return element;
  };
  const tip = document.createElement('div');
  tip.className = 'tip';
  const hide = () => { tip.remove(); svg.querySelector('.marks')?.remove(); };
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', event => {
    hide();
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * 560 - left) / width * end;
    if (at < 0 || at > end) return;
    const marks = make('g', { class: 'marks' });
    const nearest = curves.filter(curve => curve.points.length).map(curve => [curve.group,
      curve.points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a)]);
    if (!nearest.length) return;
    const x = nearest.map(([, point]) => +point[0]).reduce((a, b) => Math.abs(b - at) < Math.abs(a - at) ? b : a);
    const place = left + width * x / end;
    marks.append(make('path', { class: 'cursor', d: `M${place} ${top}v${height}` }));
    tip.replaceChildren(`${svg.dataset.unit} ${x}`);
    for (const [group, point] of nearest) {
      const style = group.getAttribute('class').split(' ')[1];
      if (point[1]) {
        const cx = left + width * point[0] / end;
        marks.append(make('circle', { class: `dot ${style}`, cx, cy: point[1], r: 4 }));
      }
      const row = document.createElement('div');
      row.className = style;
      row.append(document.createElement('b'), `${group.dataset.name} ${point[2]}`);
      tip.append(row);
    }
    svg.append(marks);
    svg.parentElement.append(tip);
    const share = place / 560 * box.width;
    tip.style.left = share > box.width / 2 ? `${share - tip.offsetWidth - 12}px` : `${share + 12}px`;
  });
}
