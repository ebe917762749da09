import type { Role } from '../../api/types';
import type { Tone } from '../../ui/status';
import type { IconName } from '../../ui/icons';

interface RoleAbout {
  label: string;
  tone: Tone;
  icon: IconName;
  /** What it may, to finish "A key that …". */
  may: string;
}

export const ROLES: Record<Role, RoleAbout> = {
  admin: {
    label: 'Admin',
    tone: 'warn',
    icon: 'shield',
    may: 'does everything, of all tenants: keys, secrets and configuration too',
  },
  publisher: {
    label: 'Publisher',
    tone: 'wait',
    icon: 'event',
    may: 'publishes events for any tenant, and sees nothing',
  },
  viewer: {
    label: 'Viewer',
    tone: 'off',
    icon: 'eye',
    may: 'sees everything but secrets, and changes nothing',
  },
  tenant: {
    label: 'Tenant',
    tone: 'pause',
    icon: 'tenant',
    may: 'does everything of one tenant; for it nothing else exists',
  },
};

export const ROLE_IDS = Object.keys(ROLES) as Role[];
