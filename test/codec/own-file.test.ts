import { expect, it } from 'vitest'
import { decodeOwnFile, encodeOwnFile } from '../../src/codec/own-file.ts'
import { bitFlips, bytesOf } from './bytes-of.ts'

const corrupt = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })

it('a file of ours is PMQ1, the version, the CRC of all else, and the body', () => {
  expect(encodeOwnFile(Buffer.from('hello'))).toEqual(bytesOf('504d5131 00000001 dd679690 68656c6c6f'))
  expect(decodeOwnFile(encodeOwnFile(Buffer.from('hello')), 'f').toString()).toBe('hello')
  expect(decodeOwnFile(encodeOwnFile(Buffer.alloc(0)), 'f').length).toBe(0)
})

it('a file of ours with any bit flipped, or cut anywhere, is damaged', () => {
  const bytes = encodeOwnFile(Buffer.from('hello'))
  for (const flipped of bitFlips(bytes)) expect(() => decodeOwnFile(flipped, 'f')).toThrow(corrupt)
  for (let end = 0; end < bytes.length; end++) expect(() => decodeOwnFile(bytes.subarray(0, end), 'f')).toThrow(corrupt)
})

it('a file that a newer PocketMQ wrote is refused as that, not taken for damage', () => {
  const newer = encodeOwnFile(Buffer.from('hello'), 2)
  expect(() => decodeOwnFile(newer, 'f')).toThrow(expect.objectContaining({ code: 'POCKETMQ_UNSUPPORTED_FORMAT' }))
})
