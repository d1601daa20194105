/** Mounts of engines: those that hold data of the user's, and those that every container has. */
export const unikernelMounts = {
  volumes: [
    { destination: '/data', type: 'bind', source: '/srv', options: ['rbind'] },
    { destination: '/data', source: '/srv', options: ['rbind'] },
    // The specification calls the type a dummy where the options say bind.
    { destination: '/data', type: 'none', source: '/srv', options: ['bind'] },
    { destination: '/data', type: '', source: 'relative/to/bundle', options: ['rbind'] },
    { destination: '/data', type: 'none', source: 'relative/to/bundle', options: ['bind', 'ro'] },
    {
      destination: '/data',
      type: 'overlay',
      source: 'overlay',
      options: ['lowerdir=/a', 'upperdir=/b', 'workdir=/c'],
    },
    { destination: '/data', type: 'ext4', source: '/dev/sda1' },
    { destination: '/data', type: 'nfs', source: 'server:/export' },
    { destination: '/data', type: '9p', source: 'share' },
    { destination: '/etc/app.conf', type: 'bind', source: '/srv/app.conf', options: ['bind'] },
    { destination: '/etc/hosts.d', type: 'bind', source: '/srv', options: ['bind'] },
    { destination: '/process', type: 'bind', source: '/srv', options: ['bind'] },
    { destination: '/etc/../data', type: 'bind', source: '/srv', options: ['bind'] },
  ],
  harmless: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev/shm', type: 'bind', source: '/run/shm', options: ['bind'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue' },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' },
    { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'ro'] },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] },
    { destination: '/run', type: 'tmpfs', source: 'tmpfs' },
    { destination: '/etc/resolv.conf', type: 'bind', source: '/r', options: ['bind'] },
    { destination: '/etc/hosts', type: 'bind', source: '/h', options: ['bind'] },
    { destination: '/etc/hostname', type: 'bind', source: '/n', options: ['bind'] },
    { destination: '/run/.containerenv', type: 'bind', source: '/c', options: ['bind'] },
    { destination: '/run/secrets', type: 'bind', source: '/s', options: ['bind'] },
    {
      destination: '/var/run/secrets/kubernetes.io/serviceaccount',
      type: 'bind',
      source: '/token',
      options: ['rbind', 'ro'],
    },
  ],
} as const;
