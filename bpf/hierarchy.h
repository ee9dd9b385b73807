/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which cgroup tells whom something belongs to. Included by C (BPF) and C++. */
#pragma once

enum sw_hierarchy { SW_CGROUP_V2 = 0, SW_CGROUP_CPU, SW_CGROUP_MEMORY, SW_CGROUP_CPUACCT, SW_CGROUP_PIDS };
