import t from 'tap';
import {
  hasTransport,
  nameFrom,
  parseReference,
  withAbsolutePath,
  withDigest,
} from '../../src/unikernel/image-reference.ts';

t.test(
  'parseReference() takes references, and nothing that a program could take for an option',
  async (t) => {
    for (const reference of [
      'hello',
      'localhost/hello:1',
      'localhost/hello:V1',
      'HOST/hello',
      '127.0.0.1:5000/a/b:v1.2',
      `a/b@sha256:${'0'.repeat(64)}`,
    ])
      t.equal(parseReference(`docker://${reference}`), reference);
    for (const reference of ['', '-x', '--all', 'a b', 'a/', 'a\nb', 'a@md5:00', '/a', 'x'.repeat(600)])
      t.throws(
        () => parseReference(reference),
        { code: 'USAGE', message: /is no reference to an image$/ },
        reference,
      );
    for (const reference of ['Hello', 'localhost/HELLO:1', 'h.example:5000/a/B', 'a/B'])
      t.throws(
        () => parseReference(reference),
        {
          code: 'USAGE',
          message: `"${reference}" is no reference to an image: its name has capital letters`,
        },
        reference,
      );
  },
);

t.test('withDigest() takes the tag away, and leaves the port', async (t) => {
  t.equal(withDigest('127.0.0.1:5000/a:1', 'sha256:00'), '127.0.0.1:5000/a@sha256:00');
  t.equal(withDigest('127.0.0.1:5000/a', 'sha256:00'), '127.0.0.1:5000/a@sha256:00');
  t.equal(withDigest('a@sha256:11', 'sha256:00'), 'a@sha256:00');
});

t.test('nameFrom() finds a name in paths and references', async (t) => {
  const cases: readonly (readonly [text: string, name: string])[] = [
    ['/home/me/.ops/images/webg.img', 'webg'],
    ['hello.tar', 'hello'],
    ['layout/', 'layout'],
    ['docker://127.0.0.1:5000/team/Web_App:1.2', 'web_app'],
    ['oci-archive:/tmp/My App.tar', 'my-app'],
    [`docker://h/a@sha256:${'0'.repeat(64)}`, 'a'],
    ['nginx_kvm-x86_64', 'nginx_kvm-x86_64'],
    ['..', ''],
    ['/', ''],
  ];
  for (const [text, name] of cases) t.equal(nameFrom(text), name, text);
});

t.test('hasTransport() tells images from paths', async (t) => {
  for (const text of ['docker://a', 'oci:/a:b', 'containers-storage:a']) t.ok(hasTransport(text), text);
  for (const text of ['/a/b', 'a:b', 'docker', 'http://a']) t.notOk(hasTransport(text), text);
});

t.test('withAbsolutePath() changes relative paths, and nothing else', async (t) => {
  const cases: readonly (readonly [source: string, absolute: string])[] = [
    ['oci:lay:1', 'oci:/w/d/lay:1'],
    ['oci-archive:a/b.tar', 'oci-archive:/w/d/a/b.tar'],
    ['docker-archive:b.tar:docker.io/x/y:1', 'docker-archive:/w/d/b.tar:docker.io/x/y:1'],
    ['dir:../x', 'dir:/w/d/../x'],
    ['oci:/lay', 'oci:/lay'],
    ['docker://h/oci:1', 'docker://h/oci:1'],
    ['containers-storage:localhost/x', 'containers-storage:localhost/x'],
  ];
  for (const [source, absolute] of cases) t.equal(withAbsolutePath(source, '/w/d'), absolute);
});
