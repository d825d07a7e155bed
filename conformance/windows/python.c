/* python.exe: hands its arguments to the interpreter in the DLL beside it.

   Under Wine a Windows process is a Unix process. Wine makes Ctrl-C of SIGINT, but SIGTERM just ends it, as
   TerminateProcess() does. So that the suite can stop a program, SIGTERM becomes Ctrl-Break here, which Windows also
   sends to a program whose window is closed. A handler for a Unix signal is set with a system call of Linux, since
   Windows has none for it. */
#include <signal.h>
#include <windows.h>

enum { SYS_RT_SIGACTION = 13, SYS_RT_SIGRETURN = 15, SYS_FUTEX = 202 };
enum { UNIX_SIGTERM = 15, FUTEX_WAIT = 0, FUTEX_WAKE = 1 };
enum { SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000, SA_RESTART = 0x10000000 };

struct action {
    void *handler;
    unsigned long long flags;
    void *restorer;
    unsigned long long mask;
};

typedef int (*main_function)(int, wchar_t **);

static volatile int has_come;

static long long linux_call(long long number, void *first, long long second, void *third, long long fourth)
{
    long long result;
    register long long r10 __asm__("r10") = fourth;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

/* Runs on whatever thread the signal finds: it touches nothing but this. */
static void __attribute__((sysv_abi)) note(int signal)
{
    (void)signal;
    has_come = 1;
    linux_call(SYS_FUTEX, (void *)&has_come, FUTEX_WAKE, (void *)1, 0);
}

void restore(void);
__asm__(".globl restore\nrestore: mov $15, %eax\nsyscall\n"); /* SYS_RT_SIGRETURN */

/* Waits for the signal, then calls the program's handler in a thread, as Windows does for Ctrl-Break.
   GenerateConsoleCtrlEvent() needs a console, and of its events the C library of Wine makes only SIGINT. */
static DWORD WINAPI break_on_sigterm(void *raise)
{
    while (!has_come)
        linux_call(SYS_FUTEX, (void *)&has_come, FUTEX_WAIT, (void *)0, 0);
    return ((int (*)(int))raise)(SIGBREAK);
}

static BOOL is_wine(void)
{
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

int wmain(int argc, wchar_t **argv)
{
    struct action action = {(void *)note, SA_RESTORER | SA_ONSTACK | SA_RESTART, (void *)restore, 0};
    HMODULE interpreter = LoadLibraryW(L"python311.dll");

    if (!interpreter)
        return 90;
    if (is_wine()) {
        /* Windows has its time zone from a setting, which Wine takes from the Unix TZ. Its own TZ is of another form. */
        SetEnvironmentVariableW(L"TZ", NULL);
        void *raise = (void *)GetProcAddress(LoadLibraryW(L"ucrtbase.dll"), "raise");

        if (!raise)
            return 91;
        CreateThread(NULL, 0, break_on_sigterm, raise, 0, NULL);
        linux_call(SYS_RT_SIGACTION, (void *)UNIX_SIGTERM, (long long)&action, NULL, sizeof action.mask);
    }
    return ((main_function)(void *)GetProcAddress(interpreter, "Py_Main"))(argc, argv);
}
