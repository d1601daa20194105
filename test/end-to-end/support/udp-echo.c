/* Sends every datagram that comes to a port, the only argument, back to where it came from. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(argc == 2 ? atoi(argv[1]) : 0) };
    char buffer[65536];

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        ssize_t size = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &length);
        if (size >= 0)
            sendto(fd, buffer, size, 0, (struct sockaddr *)&peer, length);
    }
}
