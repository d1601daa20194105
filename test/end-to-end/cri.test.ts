/** Kubernetes' interface to containerd: the manifests of deploy/kubernetes, run by the calls that a kubelet makes for them. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { output } from './support/command.ts';
import { buildExampleImages, exampleImages } from './support/compose.ts';
import { isRecorded, monitorOf, processesOf } from './support/container-processes.ts';
import { type Containerd, noContainerd, startContainerd } from './support/containerd.ts';
import { type Pod, runPod } from './support/cri/kubelet.ts';
import { manifest, manifests, type PodManifest } from './support/cri/manifests.ts';
import { registry, scratch } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { waitFor } from './support/wait.ts';

const imageWithKernel = 'localhost/ucrun-test-kernel';
const { handler } = manifest<{ readonly handler: string }>('runtime-class.yaml');

if (noContainerd !== false) t.plan(0, noContainerd);
else {
  let started: Containerd | undefined;
  t.before(async () => {
    await buildExampleImages();
    await buildTrackerImage();
    started = await startContainerd(4);
    await started.load(...Object.values(exampleImages), trackerImage, await buildImageWithKernel());
  });
  t.after(() => started?.stop());
  const containerd = () => {
    if (started === undefined) throw new Error('containerd was not started');
    return started;
  };
  const call = (method: string, request: object) => containerd().cri.runtime(method, request);
  const status = async (id: string) => (await call('ContainerStatus', { container_id: id })).status;
  const ended = (id: string) =>
    waitFor(
      'the container to end',
      async () => {
        const { state, exit_code } = await status(id);
        return state === 'CONTAINER_EXITED' && { exitCode: exit_code };
      },
      60,
    );

  /** Run a pod that is removed, with all its traces, when the test ends. */
  const run = async (t: Test, pod: PodManifest): Promise<Pod> => {
    const running = await runPod(containerd(), pod, handler);
    t.teardown(() => running.remove());
    return running;
  };

  t.test('a unikernel and a plain container share a pod', async (t) => {
    const file = manifest<PodManifest>('sidecar.yaml');
    const [hello, visitor] = file.spec.containers;
    if (hello === undefined || visitor === undefined) throw new Error('sidecar.yaml has two containers');
    const pod = await run(t, file);

    await pod.logWith('hello', /^hello: ready/m);
    t.match(
      await pod.logWith('visitor', /hello/),
      /^\{"name":"hello"/,
      'the plain one reaches the unikernel',
    );
    t.match(await firstAnswer(`http://${containerd().address}:8090/`), /"hello"/, 'so does the host');
    t.match(await firstAnswer(`http://${pod.address}:8080/`), /"hello"/, 'and another pod');

    t.strictSame(isRecorded(pod.container('hello')), true, 'the unikernel is in the care of ucrun');
    t.match(monitorOf(pod.container('hello')).commandLine, / -m 64M /, "with the pod's annotation");
    for (const id of [pod.container('visitor'), pod.id])
      t.strictSame(isRecorded(id), false, 'neither the plain container nor the pause container is');
    t.match([...processesOf(pod.id).values()].join(), /loop-svc/);

    const { stats } = await call('ContainerStats', { container_id: pod.container('hello') });
    t.ok(Number(stats.memory.working_set_bytes.value) > 10 * 1024 * 1024, JSON.stringify(stats.memory));
    t.ok(Number(stats.cpu.usage_core_nano_seconds.value) > 0, JSON.stringify(stats.cpu));

    const exec = (name: string, ...cmd: readonly string[]) =>
      call('ExecSync', { container_id: pod.container(name), cmd, timeout: 10 });
    const [probe = '', ...words] = ['ucrun-probe', 'http', ':8080/'];
    t.match(await exec('hello', probe, ...words), { exit_code: 0 }, 'the liveness probe');
    await t.rejects(exec('hello', 'sh'), /it is a unikernel/);
    t.match(await exec('visitor', 'echo', 'plain'), { exit_code: 0, stdout: Buffer.from('plain\n') });

    const first = pod.container('hello');
    await call('StopContainer', { container_id: first, timeout: 10 });
    t.match(await ended(first), { exitCode: 0 }, 'the power button was pressed');
    t.match(await pod.log('hello'), /power button/);
    t.equal((await status(pod.container('visitor'))).state, 'CONTAINER_RUNNING');

    const second = await pod.start(hello);
    t.not(second, first);
    await call('RemoveContainer', { container_id: first });
    await pod.logWith('hello', /^hello: ready/m);
    t.match(await firstAnswer(`http://${pod.address}:8080/`), /"hello"/, 'the next one has its port');

    await fetch(`http://${pod.address}:8080/exit?code=7`, {
      method: 'POST',
      headers: { connection: 'close' },
    });
    t.match(await ended(second), { exitCode: 7 }, "the guest's exit status");
    t.equal((await status(second)).reason, 'Error');
    await pod.start(visitor);
  });

  t.test('a pod of one unikernel; removed while it runs', async (t) => {
    const pod = await run(t, manifest('pod.yaml'));
    t.match(await firstAnswer(`http://${pod.address}:8080/`), /"hello"/);
    process.kill(monitorOf(pod.container('hello')).pid, 'SIGKILL');
    t.match(await ended(pod.container('hello')), { exitCode: 137 });
    const [hello] = manifest<PodManifest>('pod.yaml').spec.containers;
    if (hello !== undefined) await pod.start(hello);
    t.match(await firstAnswer(`http://${pod.address}:8080/`), /"hello"/);
  });

  t.test('the pods of a deployment have addresses of their own', async (t) => {
    const [deployment] = manifests('deployment.yaml') as {
      readonly spec: { readonly replicas: number; readonly template: Pick<PodManifest, 'spec'> };
    }[];
    if (deployment === undefined) throw new Error('deployment.yaml is empty');
    const addresses = new Set<string>();
    for (let i = 0; i < deployment.spec.replicas; i++) {
      const pod = await run(t, { ...deployment.spec.template, metadata: { name: `hello-${i}` } });
      t.match(await firstAnswer(`http://${pod.address}:8080/`), /"hello"/);
      addresses.add(pod.address);
    }
    t.equal(addresses.size, deployment.spec.replicas);
  });

  t.test("a container's annotations name the unikernel of its image", async (t) => {
    const container = {
      name: 'annotated',
      image: imageWithKernel,
      annotations: {
        'ucrun.guest': 'raw',
        'ucrun.kernel': '/hello.elf',
        'ucrun.cmdline': 'name=annotated ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} port={port}',
        'ucrun.ports': '8080',
        'unrelated.example/key': 'no business of ours',
      },
    };
    const pod = await run(t, { metadata: { name: 'annotated' }, spec: { containers: [container] } });
    t.match(await pod.logWith('annotated', /ready/), /command line: name=annotated ip=10\.0\.2\.15/);
    t.match(await firstAnswer(`http://${pod.address}:8080/`), /"name":"annotated"/);

    const wrong = { ...container, name: 'wrong', annotations: { 'ucrun.kernell': '/hello.elf' } };
    await t.rejects(pod.start(wrong), /unknown annotation "ucrun.kernell"/);
  });
}

async function buildImageWithKernel(): Promise<string> {
  const steps = join(scratch, 'cri-containerfile');
  await writeFile(steps, 'FROM scratch\nCOPY hello.elf /hello.elf\nCMD ["/hello.elf"]\n');
  const context = join(registry, 'hello');
  await output('podman', ['build', '--quiet', '--tag', imageWithKernel, '--file', steps, context]);
  await rm(steps);
  return imageWithKernel;
}
