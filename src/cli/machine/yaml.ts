import { stringify } from 'yaml';

/** A value as YAML, by way of JSON: what is undefined is left out. */
export function toYaml(value: unknown): string {
  return stringify(JSON.parse(JSON.stringify(value)));
}
