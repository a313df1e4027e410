import { useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/problem';
import { isEmail } from '../checkout-form';
import { attemptFor, isOutcomeUnknown, type Attempt } from '../idempotency';
import { navigate } from '../navigation';
import { Field, focusFirstError } from '../parts/field';
import { Problem } from '../parts/notice';
import { mergeCart } from '../state/cart';
import { login, register } from '../state/session';
import { useTitle } from './use-title';

/** Shortest password that the form sends; the origin has the last word. */
const PASSWORD_CHARS_MIN = 10;

type Errors = { email?: string; password?: string };

interface CredentialsFormProps {
  kind: 'login' | 'register';
  title: string;
  text: string;
  button: string;
  act: (email: string, password: string) => Promise<void>;
  next: string;
}

function complaints(error: unknown): Errors {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(error.errors.filter(({ field }) => field === 'email' || field === 'password').map(({ field, message }) => [field, message]));
}

function CredentialsForm({ kind, title, text, button, act, next }: CredentialsFormProps) {
  const [errors, setErrors] = useState<Errors>({});
  const [failure, setFailure] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const check = (email: string, password: string): Errors => ({
    ...(isEmail(email) ? {} : { email: 'Enter your email address' }),
    ...(password === '' ? { password: 'Enter a password' } : {}),
    ...(kind === 'register' && password !== '' && password.length < PASSWORD_CHARS_MIN ? { password: `Use at least ${PASSWORD_CHARS_MIN} characters` } : {}),
  });
  const submit = async (): Promise<void> => {
    if (isBusy || !form.current) return;
    const data = new FormData(form.current);
    const [email, password] = [String(data.get('email')).trim(), String(data.get('password'))];
    const found = check(email, password);
    setErrors(found);
    setFailure(null);
    if (Object.keys(found).length > 0) return focusFirstError(form.current);
    setIsBusy(true);
    try {
      await act(email, password);
      await mergeCart();
      navigate(next, { replace: true });
    } catch (error) {
      setErrors(complaints(error));
      setFailure(error);
      setIsBusy(false);
    }
  };
  return (
    <form
      class="credentials"
      ref={form}
      noValidate
      data-testid={`${kind}-form`}
      aria-labelledby={`${kind}-title`}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h2 id={`${kind}-title`}>{title}</h2>
      <p class="muted">{text}</p>
      <Field prefix={`${kind}-`} name="email" label="Email" type="email" autocomplete="username" required maxLength={254} error={errors.email} />
      <Field
        prefix={`${kind}-`}
        name="password"
        label="Password"
        type="password"
        autocomplete={kind === 'login' ? 'current-password' : 'new-password'}
        required
        maxLength={200}
        error={errors.password}
        {...(kind === 'register' ? { hint: `At least ${PASSWORD_CHARS_MIN} characters` } : {})}
      />
      {failure !== null && <Problem error={failure} doing="login" onRetry={() => void submit()} />}
      <button type="submit" class={kind === 'login' ? 'button button-wide' : 'button button-quiet button-wide'} aria-disabled={isBusy}>{isBusy ? 'One moment …' : button}</button>
    </form>
  );
}

export function LoginView({ next }: { next: string }) {
  useTitle('Sign in');
  const attempt = useRef<Attempt | null>(null);
  const registerOnce = async (email: string, password: string): Promise<void> => {
    attempt.current = attemptFor(attempt.current, JSON.stringify([email, password]));
    try {
      await register(email, password, attempt.current.key);
    } catch (error) {
      if (!isOutcomeUnknown(error)) attempt.current = null;
      throw error;
    }
  };
  return (
    <>
      <div class="page-head"><h1>Your account</h1></div>
      <div class="two-forms">
        <CredentialsForm kind="login" title="Sign in" text="For those who have been here before." button="Sign in" act={login} next={next} />
        <CredentialsForm kind="register" title="Create an account" text="Not needed to buy. It keeps your orders together." button="Create account" act={registerOnce} next={next} />
      </div>
    </>
  );
}
