/** What a machine made from a Nanos image is to be told. All of it may come from an image or a user. */
export interface NanosSettings {
  /** `K=V`; added to the variables of the image, in whose place they come. */
  readonly env: readonly string[];
  /** Arguments after the program's own name; undefined leaves those of the image. */
  readonly args: readonly string[] | undefined;
  /** The program's working directory; undefined leaves the image's. */
  readonly cwd: string | undefined;
  /** The network cards in the order in which the guest finds them. */
  readonly cards: readonly NanosCard[];
  readonly mounts: readonly NanosMount[];
  /** Small files that take the place of the image's, such as /etc/resolv.conf. */
  readonly files: readonly NanosFile[];
}

/** A card without an IPv4 address asks for one by DHCP. */
export interface NanosCard {
  readonly ipv4: { readonly address: string; readonly prefixLength: number } | undefined;
  readonly ipv4Gateway: string | undefined;
  /** Of a /64: Nanos takes no other prefix, and learns its IPv6 router from advertisements alone. */
  readonly ipv6: string | undefined;
  readonly mtu: number | undefined;
}

/** A volume, and the directory of the root file system in which the guest sees it. */
export interface NanosMount {
  /** The label or UUID of a disk that is a volume, or `%N` for a 9p share, or SCSI disk, that is the Nth. */
  readonly volume: string;
  /** Made if it is missing. */
  readonly path: string;
  readonly isReadOnly: boolean;
}

export interface NanosFile {
  readonly path: string;
  readonly content: Uint8Array;
}
