/** What is in deploy/kubernetes agrees with itself; end-to-end/cri.test.ts runs it. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { manifest, manifests, type PodManifest } from '../end-to-end/support/cri/manifests.ts';

const text = (file: string) => readFileSync(`deploy/kubernetes/${file}`, 'utf8');
const runtimeClass = manifest<{
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly handler: string;
}>('runtime-class.yaml');

t.test("the configurations of containerd and CRI-O have the RuntimeClass's handler", async (t) => {
  const { handler } = runtimeClass;
  t.match(text('containerd-1.toml'), `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${handler}]`);
  t.match(
    text('containerd-2.toml'),
    `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.${handler}]`,
  );
  t.match(text('crio.conf'), `[crio.runtime.runtimes.${handler}]`);
  const settings = (file: string) => text(file).replaceAll(/^(#|\[).*\n/gm, '');
  t.equal(
    settings('containerd-1.toml'),
    settings('containerd-2.toml'),
    'both versions of containerd have the same',
  );
});

t.test('each pod has the RuntimeClass, and its unikernels the ports that it says', async (t) => {
  const [deployment, service] = manifests('deployment.yaml') as [
    {
      readonly spec: {
        readonly selector: { readonly matchLabels: object };
        readonly template: PodManifest & { readonly metadata: { readonly labels: object } };
      };
    },
    {
      readonly metadata: { readonly name: string };
      readonly spec: {
        readonly selector: object;
        readonly ports: readonly { readonly targetPort: number }[];
      };
    },
  ];
  const { template, selector } = deployment.spec;
  t.strictSame(service.spec.selector, template.metadata.labels);
  t.strictSame(selector.matchLabels, template.metadata.labels);
  const pods = [manifest<PodManifest>('pod.yaml'), manifest<PodManifest>('sidecar.yaml'), template];
  for (const { spec } of pods) {
    t.equal(spec.runtimeClassName, runtimeClass.metadata.name);
    for (const { env = [], ports = [] } of spec.containers) {
      const value = (name: string) => env.find((variable) => variable.name === name)?.value;
      if (value('SERVICE_NAME') === undefined) continue;
      t.strictSame(
        ports.map(({ containerPort }) => `${containerPort}`),
        [value('PORT')],
      );
    }
  }
  t.strictSame(
    service.spec.ports.map(({ targetPort }) => targetPort),
    template.spec.containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort)),
  );
});
