/*
 * loop-svc: the one program of a tracker image.
 *
 * A container of this image stands for a unikernel of the host's registry. ucrun sees SERVICE_NAME in its environment and
 * starts that unikernel in this program's place, so the program runs only where ucrun is not the runtime. Then it says
 * so, and waits to be stopped: a container that ended at once would be restarted over and over by its engine.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

extern char **environ;

static const char *environment(const char *name)
{
  size_t length = strlen(name);

  for (char **entry = environ; *entry; entry++)
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
      return *entry + length + 1;
  return NULL;
}

static struct iovec text(const char *string)
{
  return (struct iovec){.iov_base = (char *)string, .iov_len = strlen(string)};
}

int main(void)
{
  const char *service = environment("SERVICE_NAME");
  int is_named = service && *service;
  struct iovec line[] = {
    text("loop-svc: this image is a tracker, "),
    text(is_named ? "it tracks the service \"" : "but SERVICE_NAME is unset, so it tracks no service"),
    text(is_named ? service : ""),
    text(is_named ? "\"" : ""),
    text("; run it with --runtime=ucrun to have the unikernel in its place\n"),
  };
  sigset_t stop;
  int signal_number;

  /*
   * The first process of a container gets no signal that it neither handles nor waits for. They are blocked before
   * the line is out, so that whoever has read it can stop us.
   */
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, NULL);

  /* Nobody may be reading, and that is no reason to end. */
  signal(SIGPIPE, SIG_IGN);
  while (writev(STDOUT_FILENO, line, sizeof(line) / sizeof(*line)) < 0 && errno == EINTR)
    ;
  return sigwait(&stop, &signal_number) == 0 ? 0 : 1;
}
