/** What docs/engines.md shows for each engine, and the files end-to-end/engine-table*.test.ts try: pure data. */

/** The engines, by the heads of their columns. */
export const tableEngines = {
  podman: 'podman 4.3',
  podmanRootless: 'podman 4.3, rootless',
  podmanSystemd: 'podman 5.4, systemd',
  podmanSystemdRootless: 'podman 5.4, systemd, rootless',
  docker: 'docker 20.10',
  ctr: 'containerd 1.6, `ctr`',
  cri: 'containerd 1.6, Kubernetes',
} as const;

export type TableEngine = keyof typeof tableEngines;

/** What a container is counted on for. */
export const promises = {
  run: 'run in the background',
  log: 'console log',
  port: 'published port',
  plain: 'plain container beside it',
  stats: 'statistics',
  stop: 'stop by the power button',
  exit: "the guest's exit code",
  delete: 'delete, with nothing left',
} as const;

export type PromiseName = keyof typeof promises;

/** What an engine cannot have, why, and what there is in its place, which is tried then. */
export const instead: Readonly<Partial<Record<PromiseName, Partial<Record<TableEngine, string>>>>> = {
  port: { ctr: 'no: it publishes none. With `--net-host` the ports of `PORT` are the host’s' },
  stats: { podmanRootless: 'no: podman needs cgroups v2 for that, which systemd keeps for the user' },
};

/** The table, as docs/engines.md has it. */
export function tableText(): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  const engines = Object.keys(tableEngines) as TableEngine[];
  const rows = (Object.entries(promises) as [PromiseName, string][]).map(([name, title]) =>
    line([title, ...engines.map((engine) => instead[name]?.[engine] ?? 'yes')]),
  );
  const head = ['', ...Object.values(tableEngines)];
  return line(head) + line(head.map(() => '---')) + rows.join('');
}
