import t from 'tap';
import { featuresOfOldCrun, parseCrunBuild, withOwnFeatures } from '../../src/runtime/features.ts';

const output = `crun version 1.8.1
commit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30
rundir: /run/crun
spec: 1.0.0
+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +YAJL
`;

t.test('parseCrunBuild() reads the version and what crun was built with', async (t) => {
  t.strictSame(parseCrunBuild(output), {
    version: '1.8.1',
    options: ['SYSTEMD', 'SELINUX', 'APPARMOR', 'CAP', 'SECCOMP', 'EBPF', 'YAJL'],
  });
  t.strictSame(parseCrunBuild(''), { version: undefined, options: [] });
});

t.test('featuresOfOldCrun() is a features document', async (t) => {
  t.match(featuresOfOldCrun(parseCrunBuild(output)), {
    ociVersionMin: '1.0.0',
    ociVersionMax: '1.1.0+dev',
    linux: {
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true },
      seccomp: { enabled: true },
      apparmor: { enabled: true },
      selinux: { enabled: true },
    },
    annotations: { 'run.oci.crun.version': '1.8.1' },
    potentiallyUnsafeConfigAnnotations: [
      'com.urunc.unikernel.',
      'io.kubernetes.cri.container-type',
      'krun.',
      'module.wasm.image/variant',
      'org.criu.',
      'org.systemd.property.',
      'run.oci.',
      'ucrun.',
    ],
  });
  const { linux } = featuresOfOldCrun({ version: undefined, options: [] });
  t.match(linux, { cgroup: { systemd: false }, seccomp: { enabled: false }, apparmor: { enabled: false } });
});

t.test('withOwnFeatures() adds to what a crun says, and changes nothing else', async (t) => {
  const features = { ociVersionMin: '1.0.0', potentiallyUnsafeConfigAnnotations: ['run.oci.', 'new.'] };
  t.strictSame(withOwnFeatures(features), {
    ociVersionMin: '1.0.0',
    potentiallyUnsafeConfigAnnotations: [
      'com.urunc.unikernel.',
      'new.',
      'org.systemd.property.',
      'run.oci.',
      'ucrun.',
    ],
  });
});
