import t from 'tap';
import { tarIndex } from '../../src/unikernel/tar-index.ts';
import { readerOf } from './support/elf.ts';

/** A header as far as it is looked at. */
function header(name: string, size: string): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(size, 124);
  block.write('0ustar', 156);
  block.write('ustar', 257);
  return block;
}

t.test('tarIndex() finds files, up to what cannot be a header', async (t) => {
  const first = [header('./a', '3'), Buffer.alloc(512, 'abc')];
  const found = [{ name: 'a', offset: 512, sizeBytes: 3 }];
  t.strictSame(tarIndex(readerOf(Buffer.concat(first))), found);
  // Whoever made the file may have it say anything, such as a size that leads back.
  for (const size of ['-2000', '-1', 'x'])
    t.strictSame(tarIndex(readerOf(Buffer.concat([...first, header('b', size)]))), found, size);
  t.equal(tarIndex(readerOf(header('b', '-1'))), undefined);
  t.equal(tarIndex(readerOf(Buffer.from('no archive'))), undefined);
});
